//! WebSockets: the handshake, messages, closing from either side.

use super::*;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Protocol: chat, b\r\n\r\n";

fn app(body: &str) -> Session {
    let mut code = "async def app(scope, receive, send):\n".to_owned();
    for line in body.lines() {
        code += &format!("    {line}\n");
    }
    Session::new(&code)
}

const ACCEPT: &str = "log.append(await receive())\nawait send({'type': 'websocket.accept'})\n";
const LOG_ALL: &str = "while True:\n    m = await receive()\n    log.append(m)\n    if m['type'] == 'websocket.disconnect': break\n";

/// A frame of a client with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | payload.len() as u8, 0, 0, 0, 0], payload].concat()
}

fn after_handshake(session: &Session) -> Vec<u8> {
    let written = session.wire.lock().unwrap().written.concat();
    let end = written
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    written[end + 4..].to_vec()
}

#[test]
fn the_handshake_and_its_scope() {
    let mut session = app(
        "log.extend(f'{key}={value!r}' for key, value in sorted(scope.items()))\n\
         log.append(await receive())\n\
         await send({'type': 'websocket.accept', 'subprotocol': 'chat', 'headers': [(b'x-a', b'1')]})\n\
         await receive()",
    );
    session.request(UPGRADE);
    let log = session.log();
    for entry in [
        "type='websocket'",
        "scheme='ws'",
        "path='/ws'",
        "subprotocols=['chat', 'b']",
        "extensions={'websocket.http.response': {}}",
        "{'type': 'websocket.connect'}",
    ] {
        assert!(log.contains(entry), "{entry} in {log}");
    }
    assert!(!log.contains("method="));
    assert!(session.wire.lock().unwrap().upgraded);
    assert_eq!(
        session.written(),
        "HTTP/1.1 101 Switching Protocols\r\nServer: rgunicorn\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: upgrade\r\n\
         Upgrade: websocket\r\nx-a: 1\r\nSec-WebSocket-Protocol: chat\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    );
}

#[test]
fn messages_both_ways_and_the_clients_close() {
    let mut session = app(&format!(
        "{ACCEPT}await send({{'type': 'websocket.send', 'text': 'caf\u{e9}'}})\n\
         await send({{'type': 'websocket.send', 'bytes': b'\\xff', 'text': None}})\n{LOG_ALL}"
    ));
    session.request(UPGRADE);
    assert_eq!(
        after_handshake(&session),
        b"\x81\x05caf\xc3\xa9\x82\x01\xff"
    );
    session.comes(&frame(0x81, b"one"));
    session.comes(
        &[
            frame(0x82, b"two"),
            frame(0x89, b"p"),
            frame(0x81, b"three"),
        ]
        .concat(),
    );
    session.comes(&frame(0x88, b"\x03\xe9bye"));
    assert_eq!(
        session.log(),
        "[{'type': 'websocket.connect'}, {'type': 'websocket.receive', 'text': 'one'}, \
         {'type': 'websocket.receive', 'bytes': b'two'}, {'type': 'websocket.receive', 'text': 'three'}, \
         {'type': 'websocket.disconnect', 'code': 1001, 'reason': 'bye'}]"
    );
    assert!(after_handshake(&session).ends_with(b"\x8a\x01p\x88\x02\x03\xe9"));
    assert_eq!(session.finished(), Some((101, 6, false)));
    assert!(!session.is_running());
}

#[test]
fn the_apps_close_waits_for_the_clients() {
    let mut session = app(&format!(
        "{ACCEPT}await send({{'type': 'websocket.close', 'code': 3001, 'reason': 'enough'}})\n{LOG_ALL}"
    ));
    session.request(UPGRADE);
    assert_eq!(after_handshake(&session), b"\x88\x08\x0b\xb9enough");
    assert_eq!(session.finished(), None);
    session.comes(&frame(0x88, b"\x0b\xb9"));
    assert_eq!(session.finished(), Some((101, 0, false)));
    assert!(
        session
            .log()
            .ends_with("{'type': 'websocket.disconnect', 'code': 3001, 'reason': ''}]")
    );
}

#[test]
fn one_that_is_not_accepted_is_403_or_what_the_app_answers() {
    for close in [
        "await send({'type': 'websocket.close'})",
        "await receive()\nawait send({'type': 'websocket.close', 'code': 1})",
    ] {
        let mut session = app(&format!("{close}\nlog.append((await receive())['type'])"));
        session.request(UPGRADE);
        assert!(
            session.written().starts_with("HTTP/1.1 403 Forbidden\r\n"),
            "{}",
            session.written()
        );
        assert_eq!(session.finished().unwrap().0, 403);
    }
    let mut session = app(
        "await send({'type': 'websocket.http.response.start', 'status': 401, 'headers': [(b'www-authenticate', b'Basic')]})\n\
         await send({'type': 'websocket.http.response.body', 'body': b'who', 'more_body': True})\n\
         await send({'type': 'websocket.http.response.body', 'body': b'?'})",
    );
    session.request(UPGRADE);
    assert!(
        session
            .written()
            .starts_with("HTTP/1.1 401 Unauthorized\r\n")
    );
    assert!(
        session
            .written()
            .ends_with("3\r\nwho\r\n1\r\n?\r\n0\r\n\r\n")
    );
    assert!(!session.wire.lock().unwrap().upgraded);
    for body in ["1 / 0", "pass", "await receive()"] {
        let mut session = app(body);
        session.request(UPGRADE);
        assert!(session.written().starts_with("HTTP/1.1 500 "), "{body}");
    }
}

#[test]
fn an_app_that_returns_or_fails_closes() {
    for (body, code) in [("1 / 0", 1011u16), ("pass", 1000)] {
        let mut session = app(&format!("{ACCEPT}{body}"));
        session.request(UPGRADE);
        assert_eq!(
            after_handshake(&session),
            [&[0x88, 2], &code.to_be_bytes()[..]].concat()
        );
        session.comes(&frame(0x88, &code.to_be_bytes()));
        assert_eq!(session.finished(), Some((101, 0, false)));
    }
}

#[test]
fn a_lost_connection_is_1006_and_sending_an_os_error() {
    let mut session = app(&format!(
        "{ACCEPT}{LOG_ALL}try:\n    await send({{'type': 'websocket.send', 'text': 'x'}})\nexcept OSError as error:\n    log.append(str(error))\n    raise"
    ));
    session.request(UPGRADE);
    session.leaves();
    assert!(session.log().ends_with(
        "{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}, 'the WebSocket has ended with code 1006']"
    ), "{}", session.log());
    let mut session = app(&format!("{ACCEPT}{LOG_ALL}"));
    session.request(UPGRADE);
    session.ends();
    assert!(session.log().contains("'code': 1006"));
}

#[test]
fn messages_out_of_order_are_refused_with_a_sentence() {
    let accepted = "await send({'type': 'websocket.accept'})\n";
    for (messages, error) in [
        (
            "await send({'type': 'websocket.send', 'text': 'x'})".to_owned(),
            "Expected 'websocket.accept' or 'websocket.close', not the ASGI message 'websocket.send'",
        ),
        (
            accepted.repeat(2),
            "Expected 'websocket.send' or 'websocket.close', not the ASGI message 'websocket.accept'",
        ),
        (
            "await send({'type': 'http.response.start', 'status': 200})".to_owned(),
            "Expected a message of a WebSocket, not the ASGI message 'http.response.start'",
        ),
        (
            format!("{accepted}await send({{'type': 'websocket.send', 'text': b'x'}})"),
            "'text' of 'websocket.send' must be a str",
        ),
        (
            format!("{accepted}await send({{'type': 'websocket.close', 'code': 1005}})"),
            "1005 is no WebSocket close code",
        ),
        (
            format!(
                "{accepted}await send({{'type': 'websocket.close'}})\nawait send({{'type': 'websocket.send', 'text': 'x'}})"
            ),
            "Expected nothing after the close, not the ASGI message 'websocket.send'",
        ),
    ] {
        let mut session = app(&format!(
            "try:\n    {}\nexcept Exception as error:\n    log.append(str(error))\n    raise",
            messages.trim_end().replace('\n', "\n    ")
        ));
        session.request(UPGRADE);
        assert!(
            session.log().contains(error),
            "{error} in {}",
            session.log()
        );
    }
}

#[test]
fn pings_are_answered_while_the_app_does_not_receive() {
    let mut session = app(&format!("{ACCEPT}await asyncio.sleep(100)"));
    session.request(UPGRADE);
    session.comes(&[frame(0x81, b"kept"), frame(0x89, b"hi")].concat());
    assert_eq!(after_handshake(&session), b"\x8a\x02hi");
    // But an app that never receives does not collect messages without limit.
    for _ in 0..100 {
        session.comes(&frame(0x81, b"more"));
    }
    assert_eq!(session.wire.lock().unwrap().incoming.len(), 100 - 31);
    session.tell(Call::cancel);
}

#[test]
fn breaking_the_rules_ends_it() {
    let mut session = app(&format!("{ACCEPT}{LOG_ALL}"));
    session.request(UPGRADE);
    session.comes(
        &[
            &frame(0x81, &[b'a'; 100])[..],
            &[0x82, 0xfe, 0x10, 0, 0, 0, 0, 0],
        ]
        .concat(),
    );
    assert!(session.log().ends_with(
        "{'type': 'websocket.disconnect', 'code': 1009, 'reason': 'a message of more than 1000 bytes'}]"
    ), "{}", session.log());
    assert_eq!(session.finished(), Some((101, 0, false)));
}

#[test]
fn the_worker_closes_and_asks_whether_the_client_is_there() {
    let mut session = app(&format!("{ACCEPT}{LOG_ALL}"));
    session.request(UPGRADE);
    session.tell(Call::ping);
    assert_eq!(after_handshake(&session), b"\x89\x00");
    session.comes(&frame(0x8a, b""));
    session.tell(Call::ping);
    assert_eq!(session.finished(), None);
    session.tell(Call::ping);
    assert!(session.log().contains("'code': 1006"));

    let mut session = app(&format!("{ACCEPT}{LOG_ALL}"));
    session.request(UPGRADE);
    session.close("restart");
    assert_eq!(after_handshake(&session), b"\x88\x09\x03\xf4restart");
    session.comes(&frame(0x88, b"\x03\xf4"));
    assert!(session.log().contains("'code': 1012"));
    assert!(!session.is_running());
}

#[test]
fn who_receives_learns_that_who_sends_has_lost_the_client() {
    let mut session = app(&format!(
        "{ACCEPT}await receive()\nasync def wait():\n    log.append(await receive())\n\
         task = asyncio.create_task(wait())\nawait asyncio.sleep(0)\n\
         try:\n    await send({{'type': 'websocket.send', 'text': 'x'}})\n\
         except OSError as error:\n    log.append(type(error).__name__)\nawait task"
    ));
    let end = "{'type': 'websocket.disconnect', 'code': 1006, 'reason': ''}]";
    session.request(UPGRADE);
    session.wire.lock().unwrap().broken = true;
    session.comes(&frame(0x81, b"go on"));
    assert_eq!(
        session.log(),
        format!("[{{'type': 'websocket.connect'}}, 'ConnectionResetError', {end}")
    );
    assert!(!session.is_running());

    // The server's own ping is lost.
    let mut session = app(&format!("{ACCEPT}{LOG_ALL}"));
    session.request(UPGRADE);
    session.wire.lock().unwrap().broken = true;
    session.tell(Call::ping);
    assert!(session.log().ends_with(end), "{}", session.log());
    assert!(!session.is_running());
}
