//! TLS with curl and OpenSSL as clients.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::certificates::{Authority, Pair};
use crate::support::{DEADLINE, Process, Start, Target, app, folder};

const NAME: &str = "one.test";

fn serve(pair: &Pair, args: &[&str]) -> Process {
    Start::server(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .args(args)
        .args(["app:app"])
        .cwd(app("mirror"))
        .spawn()
}

fn port(server: &Process) -> u16 {
    match server.target() {
        Target::Tcp(address) => address.port(),
        Target::Unix(path) => panic!("{path:?} is not what it was asked for"),
    }
}

/// A request of curl for a page of `name`.
fn curl(authority: &Authority, name: &str, port: u16, args: &[&str]) -> Output {
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(["--cacert", &authority.file()])
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .args(args)
        .arg(format!("https://{name}:{port}/page"))
        .output()
        .unwrap()
}

/// What the mirror app received.
#[track_caller]
fn seen(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).expect(&error)
}

/// The output of OpenSSL's client: its own, and the answer to `words`.
fn s_client(port: u16, args: &[&str], words: &str) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}")])
        .args(["-servername", NAME])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read everything.
    let _ = client.stdin.take().unwrap().write_all(words.as_bytes());
    let output = client.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n";

#[test]
fn requests_and_bodies_of_any_size() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let server = serve(&authority.issue("one", &[NAME]), &[]);
    server.stderr.wait_for("Listening at: https://127.0.0.1:");
    let port = port(&server);
    let page = seen(&curl(&authority, NAME, port, &["--http1.1"]));
    assert_eq!(
        (&page["scheme"], &page["target"]),
        (&"https".into(), &"/page".into())
    );
    // Two requests on one connection.
    let url = format!("https://{NAME}:{port}/again");
    let twice = curl(&authority, NAME, port, &["--verbose", &url]);
    assert!(String::from_utf8_lossy(&twice.stdout).contains("\"/again\""));

    let large = dir.path().join("large");
    fs::write(&large, "0123456789abcdef".repeat(200_000)).unwrap();
    let upload = format!("@{}", large.display());
    for encoding in ["Content-Length: 3200000", "Transfer-Encoding: chunked"] {
        let args = ["-H", encoding, "-H", "Expect:", "--data-binary", &upload];
        let page = seen(&curl(&authority, NAME, port, &args));
        assert_eq!(page["body"].as_str().unwrap().len(), 3_200_000);
    }
}

#[test]
fn files_are_sent_whole() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let server = Start::server(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .args(["app:plain"])
        .cwd(app("wsgi"))
        .spawn();
    let port = port(&server);
    let path = dir.path().join("large");
    fs::write(&path, "0123456789abcdef".repeat(200_000)).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--cacert", &authority.file()])
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .arg(format!("https://{NAME}:{port}/file?{}", path.display()))
        .output()
        .unwrap();
    assert!(output.stdout == fs::read(&path).unwrap());
}

#[test]
fn only_versions_that_are_safe_and_no_renegotiation() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let server = serve(&authority.issue("one", &[NAME]), &[]);
    let port = port(&server);
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let text = s_client(port, &[version, "-ign_eof"], REQUEST);
        assert!(
            text.contains("HTTP/1.1 200 OK") && text.contains(name),
            "{text}"
        );
    }
    for version in ["-tls1", "-tls1_1"] {
        // OpenSSL still offers them at its lowest security level.
        let args = [version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let text = s_client(port, &args, REQUEST);
        assert!(!text.contains("200 OK"), "{text}");
    }
    let text = s_client(port, &["-tls1_2"], "R\n");
    assert!(text.contains("Secure Renegotiation IS supported"), "{text}");
    assert!(!text.contains("RENEGOTIATING\ndepth"), "{text}");
    let weak = s_client(port, &["-tls1_2", "-cipher", "AES128-SHA"], REQUEST);
    assert!(!weak.contains("200 OK"), "{weak}");
    for (offered, chosen) in [("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")] {
        let text = s_client(port, &["-alpn", offered], "");
        let expected = format!("ALPN protocol: {chosen}\n");
        assert!(text.contains(&expected), "{text}");
    }
    assert_eq!(seen(&curl(&authority, NAME, port, &[]))["scheme"], "https");
}

#[test]
fn ciphers_can_be_named() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let chosen = "ECDHE-ECDSA-AES128-GCM-SHA256";
    let server = serve(&authority.issue("one", &[NAME]), &["--ciphers", chosen]);
    let port = port(&server);
    for (cipher, spoken) in [(chosen, true), ("ECDHE-ECDSA-AES256-GCM-SHA384", false)] {
        let text = s_client(port, &["-tls1_2", "-ign_eof", "-cipher", cipher], REQUEST);
        assert_eq!(text.contains("200 OK"), spoken, "{cipher}: {text}");
    }
}

#[test]
fn sessions_are_resumed_by_any_worker() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let server = serve(&authority.issue("one", &[NAME]), &["--workers", "3"]);
    server.workers(3);
    let port = port(&server);
    for version in ["-tls1_2", "-tls1_3"] {
        let session = dir.path().join(version);
        let session = session.to_str().unwrap();
        let first = [version, "-ign_eof", "-sess_out", session];
        let text = s_client(port, &first, REQUEST);
        assert!(text.contains("New, TLSv1"), "{text}");
        for _ in 0..6 {
            let again = [version, "-ign_eof", "-sess_in", session];
            let text = s_client(port, &again, REQUEST);
            assert!(
                text.contains("Reused, TLSv1") && text.contains("200 OK"),
                "{text}"
            );
        }
    }
}

#[test]
fn each_name_has_its_certificate() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pairs = dir.path().join("certificates");
    fs::create_dir(&pairs).unwrap();
    for (file, names) in [
        ("a", [NAME, "alias.test"]),
        ("b", ["two.test", "*.two.test"]),
    ] {
        let pair = authority.issue(file, &names);
        for path in [pair.certificate, pair.key] {
            let name = std::path::Path::new(&path).file_name().unwrap().to_owned();
            fs::rename(&path, pairs.join(name)).unwrap();
        }
    }
    let server = Start::server(["--certfile", pairs.to_str().unwrap(), "app:app"])
        .args(["--keyfile", "/nowhere.key"])
        .cwd(app("mirror"))
        .spawn();
    let told = server
        .stderr
        .wait_for("The setting keyfile changes nothing.");
    assert!(
        told.contains("[WARNING]") && told.contains(pairs.to_str().unwrap()),
        "{told}"
    );
    let port = port(&server);
    for name in [NAME, "alias.test", "two.test", "any.two.test"] {
        seen(&curl(&authority, name, port, &[]));
    }
    assert!(!curl(&authority, "three.test", port, &[]).status.success());
}

#[test]
fn clients_show_who_they_are() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let good = authority.issue("client", &["client.test"]);
    let elsewhere = folder();
    let bad = Authority::new(elsewhere.path()).issue("client", &["client.test"]);
    let ca = authority.file();
    let shown = |pair: &Pair| {
        [
            "--cert".to_owned(),
            pair.certificate.clone(),
            "--key".to_owned(),
            pair.key.clone(),
        ]
    };
    for (reqs, none_is_fine) in [("2", false), ("1", true)] {
        let server = serve(&pair, &["--cert-reqs", reqs, "--ca-certs", &ca]);
        let port = port(&server);
        let args = shown(&good);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let peer = seen(&curl(&authority, NAME, port, &args))["peer"].clone();
        assert_eq!(peer["SSL_CLIENT_VERIFY"], "SUCCESS");
        assert_eq!(peer["SSL_CLIENT_SAN_DNS_0"], "client.test");
        assert_eq!(peer["SSL_CLIENT_I_DN"], "CN=Test authority");
        assert_eq!(peer["SSL_CLIENT_S_DN"], "CN=client.test");
        assert_eq!(
            peer["SSL_CLIENT_CERT"],
            fs::read_to_string(&good.certificate)
                .unwrap()
                .replace('\r', "")
        );
        let args = shown(&bad);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        assert!(!curl(&authority, NAME, port, &args).status.success());
        let without = curl(&authority, NAME, port, &[]);
        assert_eq!(without.status.success(), none_is_fine);
        if none_is_fine {
            assert_eq!(seen(&without)["peer"]["SSL_CLIENT_VERIFY"], "NONE");
        }
    }
}

/// Returns what its scope says about TLS.
const ASGI: &str = "
import json

async def app(scope, receive, send):
    told = json.dumps(scope['extensions'].get('tls')).encode()
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': told})
";

#[test]
fn asgi_apps_learn_of_the_connection() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let client = authority.issue("client", &["client.test"]);
    let pem = |file: &str| fs::read_to_string(file).unwrap().replace('\r', "");
    fs::write(dir.path().join("told.py"), ASGI).unwrap();
    let serve = |args: &[&str]| {
        Start::server(["--worker-class", "asgi", "told:app"])
            .args(args)
            .cwd(dir.path())
            .spawn()
    };
    let ca = authority.file();
    let certificate = ["--certfile", &pair.certificate, "--keyfile", &pair.key];
    let server = serve(&[&certificate[..], &["--cert-reqs", "1", "--ca-certs", &ca]].concat());
    let ask = |args: &[&str]| seen(&curl(&authority, NAME, port(&server), args));

    let suite = "ECDHE-ECDSA-AES256-GCM-SHA384";
    let old = ask(&["--tls-max", "1.2", "--ciphers", suite]);
    assert_eq!(old["server_cert"], pem(&pair.certificate));
    assert_eq!(old["client_cert_chain"], serde_json::json!([]));
    assert_eq!(old["client_cert_name"], Value::Null);
    assert_eq!(old["client_cert_error"], Value::Null);
    assert_eq!(old["tls_version"], 0x0303);
    assert_eq!(old["cipher_suite"], 0xc02c);

    let suite = "TLS_CHACHA20_POLY1305_SHA256";
    let shown = ["--cert", &client.certificate, "--key", &client.key];
    let new = ask(&[&shown[..], &["--tlsv1.3", "--tls13-ciphers", suite]].concat());
    // curl sends the certificate of the authority, too.
    assert_eq!(new["client_cert_chain"][0], pem(&client.certificate));
    assert_eq!(new["client_cert_name"], "CN=client.test");
    assert_eq!(new["tls_version"], 0x0304);
    assert_eq!(new["cipher_suite"], 0x1303);

    assert_eq!(serve(&[]).target().get("/").ok(), "null", "without TLS");
}

#[test]
fn keys_may_be_encrypted() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let key = dir
        .path()
        .join("encrypted.key")
        .to_str()
        .unwrap()
        .to_owned();
    let made = Command::new("openssl")
        .args([
            "pkcs8",
            "-topk8",
            "-v2",
            "aes-256-cbc",
            "-passout",
            "pass:open sesame",
        ])
        .args(["-in", &pair.key, "-out", &key])
        .status();
    assert!(made.unwrap().success());
    let encrypted = Pair { key, ..pair };
    let password = dir.path().join("password").to_str().unwrap().to_owned();
    fs::write(&password, "open sesame\n").unwrap();
    let server = serve(&encrypted, &["--key-password-file", &password]);
    seen(&curl(&authority, NAME, port(&server), &[]));
    let start = || {
        Start::server([
            "--certfile",
            &encrypted.certificate,
            "--keyfile",
            &encrypted.key,
        ])
        .args(["app:app"])
        .cwd(app("mirror"))
    };
    let server = start().env("RGUNICORN_KEY_PASSWORD", "open sesame").spawn();
    seen(&curl(&authority, NAME, port(&server), &[]));
    let finished = start().env("RGUNICORN_KEY_PASSWORD", "simsalabim").run();
    assert!(
        finished
            .stderr
            .contains("The password does not open the key in"),
        "{}",
        finished.stderr
    );
    let finished = start().run();
    assert!(
        finished.stderr.contains("key_password_file"),
        "{}",
        finished.stderr
    );
}

#[test]
fn mistakes_end_the_start_with_a_sentence() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let other = authority.issue("two", &["two.test"]);
    let absent = dir.path().join("absent").to_str().unwrap().to_owned();
    for (args, sentence) in [
        (
            vec!["--certfile", &absent],
            "absent' of the setting certfile cannot be read",
        ),
        (vec!["--keyfile", &pair.key], "certfile is not"),
        (vec!["--certfile", &pair.certificate], "has no private key"),
        (
            vec!["--certfile", &pair.certificate, "--keyfile", &other.key],
            "does not belong to the certificate",
        ),
        (
            vec![
                "--certfile",
                &pair.certificate,
                "--keyfile",
                &pair.key,
                "--ciphers",
                "RC4",
            ],
            "names no cipher suite",
        ),
        (
            vec![
                "--certfile",
                &pair.certificate,
                "--keyfile",
                &pair.key,
                "--cert-reqs",
                "2",
            ],
            "ca_certs",
        ),
    ] {
        let finished = Start::server(args)
            .args(["app:app"])
            .cwd(app("mirror"))
            .run();
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        assert!(finished.stderr.contains(sentence), "{}", finished.stderr);
        assert!(
            !finished.stderr.contains("Booting worker"),
            "{}",
            finished.stderr
        );
    }
}

#[test]
fn plain_http_gets_a_plain_answer() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let server = serve(&authority.issue("one", &[NAME]), &[]);
    let response = server
        .target()
        .exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.status, 400);
    assert!(response.text().contains("https://"), "{}", response.text());
    // Anything else only ends the connection.
    let mut stream = server.target().connect().unwrap();
    stream.write_all(b"\0\0\0\0\0").unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
    assert!(
        !server.stderr.so_far().contains("ERROR"),
        "{}",
        server.stderr.so_far()
    );
}

/// The names in the certificate of the server.
fn served(port: u16) -> String {
    let text = s_client(port, &[], "");
    let subject = text
        .lines()
        .find(|line| line.contains("CN = ") || line.contains("CN="));
    subject.unwrap_or_default().to_owned()
}

#[test]
fn new_certificates_are_taken_up_under_load() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME, "old.test"]);
    let server = serve(&pair, &["--workers", "2"]);
    server.workers(2);
    let port = port(&server);
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    seen(&curl(&authority, NAME, port, &[]));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let wait = |what: &dyn Fn() -> bool| {
            let end = std::time::Instant::now() + DEADLINE;
            while !what() {
                assert!(std::time::Instant::now() < end, "it never came");
            }
        };
        wait(&|| answered.load(Ordering::Relaxed) > 4);
        authority.issue("one", &["second.test", NAME]);
        wait(&|| served(port).contains("second.test"));
        authority.issue("one", &["third.test", NAME]);
        server.signal(Signal::SIGHUP);
        wait(&|| served(port).contains("third.test"));
        // A wrong file changes nothing.
        fs::write(&pair.key, "no key").unwrap();
        server.stderr.wait_for("has no private key");
        let before = answered.load(Ordering::Relaxed);
        wait(&|| answered.load(Ordering::Relaxed) > before + 4);
        done.store(true, Ordering::Relaxed);
    });
    assert!(served(port).contains("third.test"));
}
