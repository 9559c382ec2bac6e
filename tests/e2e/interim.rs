//! Apps that answer with a status of 1xx. Such an answer is not final, and a proxy
//! could take the connection for a tunnel.

use std::fs;
use std::io::{Read, Write};

use crate::support::{Start, folder, in_all_classes};
use crate::websocket::WebSocket;

const APP: &str = "
def app(environ, start_response):
    start_response(environ['QUERY_STRING'] + ' x', [('Upgrade', 'websocket'), ('Connection', 'upgrade')])
    return [b'sent']

async def aapp(scope, receive, send):
    if scope['type'] == 'lifespan':
        raise RuntimeError
    kind = 'http' if scope['type'] == 'http' else 'websocket.http'
    status = int(scope['query_string'])
    fields = [(b'upgrade', b'websocket'), (b'connection', b'upgrade')]
    await send({'type': f'{kind}.response.start', 'status': status, 'headers': fields})
    await send({'type': f'{kind}.response.body', 'body': b'sent'})
";

in_all_classes! {
    an_interim_status_is_the_apps_error,
}

fn an_interim_status_is_the_apps_error(class: &[&str]) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(class).cwd(dir.path()).spawn();
    let target = server.target();
    for status in [100, 101, 103, 199] {
        let mut stream = target.connect().unwrap();
        let request = format!("GET /?{status} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        server.stderr.wait_for(&format!(
            "ValueError: The response status {status} is only an interim one"
        ));
    }
    assert_eq!(target.get("/?200").ok(), "sent");
    // The answer says that the connection ends, whatever the app says.
    let answer = target.get("/?426");
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("Connection"), Some("close, upgrade"));
}

#[test]
fn nor_can_it_refuse_a_websocket() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--worker-class", "asgi", "app:aapp"])
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    for status in [100, 101, 103, 199] {
        let head = WebSocket::refused(&target, &format!("/?{status}"));
        assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
    }
    assert!(WebSocket::refused(&target, "/?401").starts_with("HTTP/1.1 401 "));
}
