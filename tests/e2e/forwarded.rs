//! What the fields of a trusted proxy say about the client: its address and port, and
//! how it reached the site.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use crate::support::{Process, Start, Target, app, in_all_classes};
use crate::websocket::WebSocket;

in_all_classes! {
    lists_are_read_as_lists,
    an_ipv4_peer_can_be_named_as_an_ipv6_one,
    secure_websockets_are_secure,
}

fn serve(args: &[&str], class: &[&str]) -> Process {
    Start::new(args).args(class).cwd(app("mirror")).spawn()
}

/// What the app receives with these fields.
fn mirrored(target: &Target, fields: &str) -> Value {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n\r\n");
    serde_json::from_str(&target.exchange(request).ok()).unwrap()
}

/// The address and port of the client, as the app sees them.
fn peer(target: &Target, fields: &str) -> String {
    let peer = &mirrored(target, fields)["peer"];
    let word = |name: &str| peer[name].as_str().unwrap_or("none").to_owned();
    format!("{} {}", word("REMOTE_ADDR"), word("REMOTE_PORT"))
}

fn lists_are_read_as_lists(class: &[&str]) {
    // In ASGI the port is a number, and 0 means that it is not known.
    let none = match class.contains(&"asgi") {
        true => "0",
        false => "none",
    };
    for (setting, name, lists) in [
        (
            "x-forwarded-for",
            "X-Forwarded-For",
            &[
                ("1.1.1.1,", "1.1.1.1 none"),
                (", 6.6.6.6,, 1.1.1.1 ,, ", "1.1.1.1 none"),
                ("1.1.1.1:5060", "1.1.1.1 5060"),
                ("[2001:db8::1]:5060,", "2001:db8::1 5060"),
                ("6.6.6.6\r\nX-Forwarded-For: 1.1.1.1,", "1.1.1.1 none"),
            ][..],
        ),
        (
            "forwarded",
            "Forwarded",
            &[
                ("for=1.1.1.1,", "1.1.1.1 none"),
                (r#"for="1.1.1.1:_port""#, "1.1.1.1 none"),
                (r#"for="1.1.1.1:5060""#, "1.1.1.1 5060"),
                (r#"for="1.1.1.1";host="a,b""#, "1.1.1.1 none"),
                (r#"host="a,for=6.6.6.6";for=1.1.1.1"#, "1.1.1.1 none"),
                (r#"for=6.6.6.6;host=", for=1.1.1.1"#, "1.1.1.1 none"),
            ],
        ),
    ] {
        let server = serve(
            &["--bind", "127.0.0.1:0", "--proxy-headers", setting],
            class,
        );
        let target = server.target();
        for (list, known) in lists {
            let known = known.replace("none", none);
            assert_eq!(peer(&target, &format!("{name}: {list}")), known, "{list}");
        }
    }
}

fn an_ipv4_peer_can_be_named_as_an_ipv6_one(class: &[&str]) {
    for (bind, peers) in [
        ("[::]:0", "::ffff:127.0.0.1"),
        ("127.0.0.1:0", "::ffff:127.0.0.0/104"),
    ] {
        let server = serve(&["--bind", bind, "--forwarded-allow-ips", peers], class);
        let Target::Tcp(address) = server.target() else {
            panic!("it listens on TCP");
        };
        let target = Target::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())));
        let known = mirrored(&target, "X-Forwarded-Proto: https");
        assert_eq!(known["scheme"], "https", "{bind} {peers}");
    }
}

fn secure_websockets_are_secure(class: &[&str]) {
    let server = serve(&["--bind", "127.0.0.1:0"], class);
    for (stated, scheme) in [("wss", "https"), ("ws", "http")] {
        let known = mirrored(&server.target(), &format!("X-Forwarded-Proto: {stated}"));
        assert_eq!(known["scheme"], scheme);
    }
}

#[test]
fn a_websocket_has_the_scheme_of_its_client() {
    let server = Start::server(["app:app"]).cwd(app("asgi")).spawn();
    for (stated, scheme) in [
        ("wss", "wss"),
        ("https", "wss"),
        ("ws", "ws"),
        ("http", "ws"),
    ] {
        let field = format!("X-Forwarded-Proto: {stated}\r\n");
        let mut socket = WebSocket::ask(&server.target(), "/scheme", &field);
        assert_eq!(socket.next(), Some((0x81, scheme.into())), "{stated}");
    }
}
