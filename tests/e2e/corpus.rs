//! Gunicorn's own corpus of requests, from its source package. Each case is sent
//! through a real socket, cut in many ways, and the answer is compared with what the
//! case states.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::support::{
    DEADLINE, Process, Start, Target, app, http::responses, in_all_classes, site,
};

const PACKAGE: &str = "gunicorn==27.0.1";

/// Cases in which the answer differs from Gunicorn's, and the reason. Cases of HTTP/1.1
/// without a Host field are handled by [`with_host`].
const OTHERWISE: [(&str, u16, &str); 2] = [
    (
        "invalid/version_02",
        505,
        "a version that is well formed and not spoken (RFC 9110, 15.6.6)",
    ),
    (
        "valid/099",
        400,
        "its body ends before its Content-Length: it is not complete (RFC 9112, 8)",
    ),
];

struct Case {
    name: String,
    bytes: Vec<u8>,
    flags: Vec<String>,
    expected: Expected,
}

enum Expected {
    /// One answer with this status, and nothing after it.
    Refused(u16),
    /// No answer or a 400: the request does not end.
    Unfinished,
    Requests(Vec<Value>),
}

in_all_classes! {
    every_case_in_every_cut,
}

fn every_case_in_every_cut(class: &[&str]) {
    let mut by_flags: BTreeMap<Vec<String>, Vec<Case>> = BTreeMap::new();
    let cases = cases();
    assert!(cases.len() >= 143, "{}", cases.len());
    for case in cases {
        by_flags.entry(case.flags.clone()).or_default().push(case);
    }
    let failures: Vec<_> = by_flags
        .into_iter()
        .flat_map(|(flags, cases)| {
            let server = serve(&flags, class);
            let target = server.target();
            let asgi = class.contains(&"asgi");
            let results = cases.iter().flat_map(|case| judge(&target, case, asgi));
            results.collect::<Vec<_>>()
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn serve(flags: &[String], class: &[&str]) -> Process {
    Start::server(["--workers", "2"])
        .args(flags)
        .args(class)
        .cwd(app("mirror"))
        .spawn()
}

fn cases() -> Vec<Case> {
    let convert = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/convert.py");
    let key = [PACKAGE.into(), std::fs::read(&convert).unwrap()];
    let folder = site::once("corpus", &key, |folder| {
        let folder = folder.to_str().unwrap();
        let venv = format!("{folder}/venv");
        site::python(["-m", "venv", &venv]).run().expect_success();
        let python = format!("{venv}/bin/python");
        let pip = |words: &[&str]| {
            Start::program(&python, ["-m", "pip", "--disable-pip-version-check"])
                .args(words)
                .run_slowly()
                .expect_success();
        };
        // Reading a source package runs its build system.
        pip(&["install", "--quiet", "setuptools", "wheel"]);
        let download = ["download", "--quiet", "--no-deps", "--no-build-isolation"];
        let what = ["--no-binary", "gunicorn", "--dest", folder, PACKAGE];
        pip(&[&download[..], &what].concat());
        let package = format!("{folder}/{}.tar.gz", PACKAGE.replace("==", "-"));
        Start::program(&python, [convert.to_str().unwrap()])
            .args([package, format!("{folder}/corpus.json")])
            .run()
            .expect_success();
    });
    let text = std::fs::read(folder.join("corpus.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
    cases.iter().flat_map(read_case).collect()
}

/// A case, or the two cases that it stands for: a request of HTTP/1.1 without a Host
/// field must be refused (RFC 9112, 3.2); with one it must be what the case states.
fn read_case(value: &Value) -> Vec<Case> {
    let name = value["name"].as_str().unwrap().to_owned();
    let bytes = latin_1(value["bytes"].as_str().unwrap());
    let flags = flags(value["settings"].as_object().unwrap());
    let otherwise = OTHERWISE.iter().find(|(other, ..)| *other == name);
    let refused = match (value["error"].as_str(), otherwise) {
        (_, Some((_, status, _))) => Some(Expected::Refused(*status)),
        (Some("NoMoreData"), _) => Some(Expected::Unfinished),
        (Some("LimitRequestLine"), _) => Some(Expected::Refused(414)),
        (Some("LimitRequestHeaders"), _) => Some(Expected::Refused(431)),
        (Some(_), _) => Some(Expected::Refused(400)),
        (None, _) => None,
    };
    if let Some(expected) = refused {
        return vec![Case {
            name,
            bytes,
            flags,
            expected,
        }];
    }
    let requests = value["requests"].as_array().unwrap();
    let lacks_host = |request: &Value| {
        let headers = request["headers"].as_array().unwrap();
        request["version"] != serde_json::json!([1, 0])
            && !headers.iter().any(|header| header[0] == "HOST")
    };
    if !requests.iter().any(lacks_host) {
        return vec![Case {
            name,
            bytes,
            flags,
            expected: Expected::Requests(requests.clone()),
        }];
    }
    let mut with_host = requests.clone();
    for request in with_host.iter_mut().filter(|request| lacks_host(request)) {
        let headers = request["headers"].as_array_mut().unwrap();
        headers.push(serde_json::json!(["HOST", "corpus"]));
    }
    let mut cases = vec![Case {
        name: format!("{name} with a Host"),
        bytes: add_host(&bytes),
        flags: flags.clone(),
        expected: Expected::Requests(with_host),
    }];
    if lacks_host(&requests[0]) {
        cases.push(Case {
            name,
            bytes,
            flags,
            expected: Expected::Refused(400),
        });
    }
    cases
}

/// Adds a Host field after every request line of HTTP/1.1.
fn add_host(bytes: &[u8]) -> Vec<u8> {
    const LINE_END: &[u8] = b" HTTP/1.1\r\n";
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest
        .windows(LINE_END.len())
        .position(|part| part == LINE_END)
    {
        let (line, after) = rest.split_at(at + LINE_END.len());
        out.extend_from_slice(line);
        out.extend_from_slice(b"Host: corpus\r\n");
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

fn flags(settings: &Map<String, Value>) -> Vec<String> {
    let mut flags = Vec::new();
    for (name, value) in settings {
        let flag = match name.as_str() {
            "limit_request_field_size" => "--limit-request-field_size".to_owned(),
            name => format!("--{}", name.replace('_', "-")),
        };
        flags.push(flag);
        match value {
            Value::Bool(true) if name == "proxy_protocol" => flags.push("auto".to_owned()),
            Value::Bool(true) => {}
            Value::String(text) => flags.push(text.clone()),
            value => flags.push(value.to_string()),
        }
    }
    flags
}

/// Sends a case in all cuts, and returns what is wrong with the answers. An ASGI app
/// does not get the target as it was sent.
fn judge(target: &Target, case: &Case, asgi: bool) -> Vec<String> {
    cuts(&case.bytes)
        .into_iter()
        .filter_map(|(cut, pieces)| {
            let answer = send(target, &pieces);
            let problem = differs(&case.expected, &answer, asgi)?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            Some(format!("{} ({cut}): {problem}\n{answer}", case.name))
        })
        .collect()
}

/// Ways to send the bytes: all at once, one by one, line by line, in two parts at the
/// end of the head, and in random pieces.
fn cuts(bytes: &[u8]) -> Vec<(&'static str, Vec<&[u8]>)> {
    let head_end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
    let (head, rest) = bytes.split_at(head_end.map_or(bytes.len() / 2, |end| end + 3));
    let mut random = Vec::new();
    let mut left = bytes;
    let mut state = bytes.len() as u64 + 1;
    while !left.is_empty() {
        // A simple generator, which gives the same cuts in each run.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let most = (bytes.len() / 10).clamp(1, left.len());
        let (piece, after) = left.split_at(1 + (state >> 33) as usize % most);
        random.push(piece);
        left = after;
    }
    vec![
        ("whole", vec![bytes]),
        ("bytes", bytes.chunks(1).collect()),
        ("lines", bytes.split_inclusive(|&b| b == b'\n').collect()),
        ("two", vec![head, rest]),
        ("random", random),
    ]
}

/// Everything that the server sends for these pieces.
fn send(target: &Target, pieces: &[&[u8]]) -> Vec<u8> {
    let Target::Tcp(address) = target else {
        unreachable!("it was asked to listen there");
    };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    for piece in pieces {
        // A server that refused the request may have closed the connection.
        if stream.write_all(piece).is_err() {
            break;
        }
        if pieces.len() < 50 {
            thread::sleep(Duration::from_micros(300));
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    // The server may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn differs(expected: &Expected, answer: &[u8], asgi: bool) -> Option<String> {
    let answers = match responses(answer) {
        Ok(answers) => answers,
        Err(error) => return Some(error.to_string()),
    };
    match expected {
        Expected::Unfinished if answers.is_empty() => None,
        Expected::Unfinished => (answers[0].status != 400).then(|| "not refused".to_owned()),
        Expected::Refused(status) => {
            let right = answers.len() == 1 && answers[0].status == *status;
            (!right).then(|| format!("not one answer with {status}"))
        }
        Expected::Requests(requests) => {
            if answers.len() != requests.len() {
                return Some(format!("not {} answers", requests.len()));
            }
            let pairs = requests.iter().zip(&answers);
            pairs.into_iter().find_map(|(request, answer)| {
                if answer.status != 200 {
                    return Some(format!("not a 200 but {}", answer.status));
                }
                let seen: Value = serde_json::from_slice(&answer.body).unwrap();
                let stated = stated(request);
                let names = stated.as_object().unwrap().keys();
                let names = names.filter(|name| !asgi || *name != "target");
                let wrong = names.filter(|name| stated[*name] != seen[*name]);
                let wrong: Vec<_> = wrong
                    .map(|name| format!("{name}: {} is not {}", seen[name], stated[name]))
                    .collect();
                (!wrong.is_empty()).then(|| wrong.join(", "))
            })
        }
    }
}

/// What the app must have received, in the form of its answer.
fn stated(request: &Value) -> Value {
    let mut fields = BTreeMap::<String, String>::new();
    for header in request["headers"].as_array().unwrap() {
        let name = header[0].as_str().unwrap().replace('-', "_");
        let value = header[1].as_str().unwrap();
        let key = match name.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => name,
            name => format!("HTTP_{name}"),
        };
        // The environ has one value per name.
        fields
            .entry(key)
            .and_modify(|first| *first = format!("{first},{value}"))
            .or_insert_with(|| value.to_owned());
    }
    let mut stated = serde_json::json!({
        "method": request["method"],
        "target": request["target"],
        "body": request["body"],
        "fields": fields,
        "protocol": format!("HTTP/{}.{}", request["version"][0], request["version"][1]),
    });
    // The authority form has neither; Gunicorn makes a path of it.
    if request["method"] != "CONNECT" {
        stated["path"] = request["path"].clone();
        stated["query"] = request["query"].clone();
    }
    stated
}

fn latin_1(text: &str) -> Vec<u8> {
    let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap());
    bytes.collect()
}
