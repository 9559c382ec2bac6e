//! HTTP: scopes, messages, their order, and the ways a request can end.

use super::*;

const GET: &str = "GET /a%20b/caf%C3%A9?x=%31 HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nx-two: 2\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n";

fn app(body: &str) -> Session {
    let mut code = "async def app(scope, receive, send):\n".to_owned();
    for line in body.lines() {
        code += &format!("    {line}\n");
    }
    Session::new(&code)
}

const START: &str =
    "await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'x-a', b'1')]})\n";
const HELLO: &str = "await send({'type': 'http.response.body', 'body': b'hello'})\n";

#[test]
fn the_scope_has_every_key_of_the_specification() {
    let mut session = app(
        "log.extend(f'{key}={value!r}' for key, value in sorted(scope.items()))\n\
         scope['state']['pool'] = 2\nscope['extensions']['mine'] = {}",
    );
    session.request(GET);
    let log = session.log();
    for entry in [
        "type='http'",
        "asgi={'version': '3.0', 'spec_version': '2.4'}",
        "http_version='1.1'",
        "method='GET'",
        "scheme='http'",
        "path='/a b/caf\u{e9}'",
        "raw_path=b'/a%20b/caf%C3%A9'",
        "query_string=b'x=%31'",
        "root_path='/root'",
        "headers=[(b'host', b'h'), (b'x-two', b'1'), (b'x-two', b'2')]",
        "client=('127.0.0.2', 40000)",
        "server=('127.0.0.1', 8000)",
        "state={'pool': 1}",
        "'http.response.pathsend': {}",
        "'http.response.trailers': {}",
        "'http.response.early_hint': {}",
    ] {
        assert!(log.contains(entry), "{entry} in {log}");
    }
    // Each request has a copy of the state, and of the extensions.
    session.request(GET);
    assert!(session.log().matches("state={'pool': 1}").count() == 2);
    assert!(!session.log().contains("mine"));
}

#[test]
fn a_small_response_is_one_write_with_its_length() {
    let mut session = app(&format!("{START}{HELLO}"));
    session.request(GET);
    assert_eq!(session.wire.lock().unwrap().written.len(), 1);
    assert_eq!(
        session.written(),
        "HTTP/1.1 200 OK\r\nServer: rgunicorn\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: keep-alive\r\n\
         x-a: 1\r\nContent-Length: 5\r\n\r\nhello"
    );
    assert_eq!(session.finished(), Some((200, 5, true)));
    assert!(!session.is_running());
}

#[test]
fn a_stream_is_chunked_and_starts_with_the_first_part() {
    let mut session = app(&format!(
        "{START}log.append('started')\n\
         await send({{'type': 'http.response.body', 'body': b'', 'more_body': True}})\n\
         await send({{'type': 'http.response.body', 'body': bytearray(b'one'), 'more_body': True}})\n\
         await send({{'type': 'http.response.body', 'body': memoryview(b'two'), 'more_body': True}})\n\
         await send({{'type': 'http.response.body'}})"
    ));
    session.request(GET);
    assert!(
        session
            .written()
            .contains("\r\nTransfer-Encoding: chunked\r\n")
    );
    assert!(
        session
            .written()
            .ends_with("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    );
    assert_eq!(session.finished(), Some((200, 6, true)));
}

#[test]
fn a_head_request_gets_no_body() {
    let mut session = app(&format!("{START}{HELLO}"));
    session.request("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(session.written().ends_with("\r\n\r\n"));
    assert_eq!(session.finished(), Some((200, 0, true)));
}

#[test]
fn the_body_comes_as_the_client_sends_it() {
    let mut session = app(
        "while True:\n    message = await receive()\n    log.append(message)\n    if not message.get('more_body'): break",
    );
    session.request(POST);
    assert_eq!(session.log(), "[]");
    assert!(session.is_running());
    session.comes(b"abc");
    session.wire.lock().unwrap().ended = true;
    session.comes(b"def");
    assert_eq!(
        session.log(),
        "[{'type': 'http.request', 'body': b'abc', 'more_body': True}, \
         {'type': 'http.request', 'body': b'def', 'more_body': False}]"
    );
}

#[test]
fn a_request_without_a_body_has_one_empty_message() {
    let mut session = app("log.append(await receive())");
    session.wire.lock().unwrap().ended = true;
    session.request(GET);
    assert_eq!(
        session.log(),
        "[{'type': 'http.request', 'body': b'', 'more_body': False}]"
    );
}

#[test]
fn after_the_body_only_the_end_is_received() {
    let ends = "await receive()\n";
    let mut session = app(&format!("{ends}{START}{HELLO}log.append(await receive())"));
    session.wire.lock().unwrap().ended = true;
    session.request(GET);
    assert_eq!(session.log(), "[{'type': 'http.disconnect'}]");

    // One task waits for the end while another answers.
    let mut session = app(&format!(
        "{ends}async def wait():\n    log.append(await receive())\n\
         task = asyncio.create_task(wait())\nawait asyncio.sleep(0)\nlog.append('answer')\n{START}{HELLO}await task"
    ));
    session.wire.lock().unwrap().ended = true;
    session.request(GET);
    assert_eq!(session.log(), "['answer', {'type': 'http.disconnect'}]");
    assert!(!session.is_running());
}

#[test]
fn a_client_that_leaves_is_told_of_and_nobodys_error() {
    let mut session = app(&format!(
        "await receive()\nlog.append(await receive())\n{START}\n"
    ));
    session.wire.lock().unwrap().ended = true;
    session.request(GET);
    session.leaves();
    assert_eq!(session.log(), "[{'type': 'http.disconnect'}]");
    assert!(!session.is_running());
    assert_eq!(session.written(), "");
    assert_eq!(session.finished(), Some((0, 0, false)));
}

#[test]
fn sending_to_a_client_that_left_is_an_os_error() {
    let mut session = app(&format!(
        "{START}try:\n    await send({{'type': 'http.response.body', 'body': b'x', 'more_body': True}})\n\
         except OSError as error:\n    log.append(str(error))"
    ));
    session.wire.lock().unwrap().broken = true;
    session.request(GET);
    assert_eq!(session.log(), "['the client has disconnected']");
}

#[test]
fn a_slow_reader_makes_the_app_wait() {
    let mut session = app(&format!(
        "{START}await send({{'type': 'http.response.body', 'body': b'x', 'more_body': True}})\n\
         log.append('sent')\n{HELLO}log.append('done')"
    ));
    session.wire.lock().unwrap().full = true;
    session.request(GET);
    assert_eq!(session.log(), "[]");
    session.tell(Call::ready);
    assert_eq!(session.log(), "[]");
    session.wire.lock().unwrap().full = false;
    session.tell(Call::ready);
    assert_eq!(session.log(), "['sent', 'done']");

    // A client that leaves meanwhile ends the wait.
    let mut session = app(&format!(
        "{START}try:\n    await send({{'type': 'http.response.body', 'body': b'x', 'more_body': True}})\n\
         except OSError:\n    log.append('gone')"
    ));
    session.wire.lock().unwrap().full = true;
    session.request(GET);
    session.leaves();
    assert_eq!(session.log(), "['gone']");
}

#[test]
fn messages_out_of_order_are_refused_with_a_sentence() {
    for (messages, error) in [
        (HELLO.to_owned(), "RuntimeError: Expected 'http.response.start', not the ASGI message 'http.response.body'"),
        (START.repeat(2), "RuntimeError: Expected 'http.response.body', not the ASGI message 'http.response.start'"),
        ("await send({'type': 'websocket.accept'})".to_owned(), "RuntimeError: Expected a message of an HTTP response, not the ASGI message 'websocket.accept'"),
        ("await send('x')".to_owned(), "TypeError: an ASGI message must be a dict, not str"),
        ("await send({})".to_owned(), "TypeError: an ASGI message has no 'type'"),
        ("await send({'type': 'http.response.start'})".to_owned(), "TypeError: 'status' of 'http.response.start' must be a status code"),
        ("await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'a', 'b')]})".to_owned(), "TypeError: the value of a header must be bytes, not str"),
        ("await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'a b', b'')]})".to_owned(), "ValueError: Invalid header name: \"a b\""),
        ("await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'a', b'b\\r\\nc: d')]})".to_owned(), "ValueError: Invalid value of header \"a\""),
        (format!("{START}await send({{'type': 'http.response.body', 'body': 'text'}})"), "TypeError: 'body' of 'http.response.body' must be bytes, not str"),
    ] {
        let mut session = app(&format!(
            "try:\n    {}\nexcept Exception as error:\n    log.append(f'{{type(error).__name__}}: {{error}}')\n    raise",
            messages.trim_end().replace('\n', "\n    ")
        ));
        session.request(GET);
        assert!(session.log().contains(error), "{error} in {}", session.log());
        assert!(session.written().starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
        assert_eq!(session.finished().unwrap().0, 500);
    }
}

#[test]
fn what_comes_after_the_end_is_ignored() {
    let mut session = app(&format!("{START}{HELLO}{HELLO}{START}log.append('ok')"));
    session.request(GET);
    assert_eq!(session.log(), "['ok']");
    assert_eq!(session.written().matches("hello").count(), 1);
}

#[test]
fn an_app_that_fails_or_says_nothing_is_a_500_and_in_the_middle_a_cut() {
    for body in [
        "1 / 0",
        "pass",
        "raise SystemExit(3)",
        &format!("{START}1 / 0"),
    ] {
        let mut session = app(body);
        session.request(GET);
        assert!(session.written().starts_with("HTTP/1.1 500 "), "{body}");
        assert!(!session.finished().unwrap().2);
    }
    let part = "await send({'type': 'http.response.body', 'body': b'part', 'more_body': True})\n";
    for end in ["1 / 0", "pass"] {
        let mut session = app(&format!("{START}{part}{end}"));
        session.request(GET);
        assert!(session.written().ends_with("\r\n\r\n4\r\npart\r\n"));
        assert_eq!(session.finished(), Some((200, 4, false)));
    }
}

#[test]
fn a_body_that_is_none_is_the_clients_fault() {
    let mut session = app("log.append(await receive())\n1 / 0");
    session.wire.lock().unwrap().invalid = true;
    session.request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(session.log(), "[{'type': 'http.disconnect'}]");
    assert!(
        session
            .written()
            .starts_with("HTTP/1.1 400 Bad Request\r\n")
    );
}

#[test]
fn it_is_told_also_when_the_client_has_ended_its_side() {
    let mut session = app("await receive()");
    {
        let mut wire = session.wire.lock().unwrap();
        (wire.invalid, wire.hung_up) = (true, true);
    }
    session.request("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(session.written().starts_with("HTTP/1.1 400 "));
}

#[test]
fn who_receives_learns_that_who_sends_has_lost_the_client() {
    let part = "{'type': 'http.response.body', 'body': b'x', 'more_body': True}";
    let hint = "{'type': 'http.response.early_hint', 'links': []}";
    for (start, message) in [("", hint), (START, part), (START, hint)] {
        let mut session = app(&format!(
            "await receive()\n{start}async def wait():\n    log.append(await receive())\n\
             task = asyncio.create_task(wait())\nawait asyncio.sleep(0)\n\
             try:\n    await send({message})\n\
             except OSError as error:\n    log.append(type(error).__name__)\nawait task"
        ));
        session.wire.lock().unwrap().ended = true;
        session.wire.lock().unwrap().broken = true;
        session.request(GET);
        assert_eq!(
            session.log(),
            "['ConnectionResetError', {'type': 'http.disconnect'}]"
        );
        assert!(!session.is_running());
    }
}

#[test]
fn files_trailers_and_hints() {
    let mut session = app(&format!(
        "await send({{'type': 'http.response.early_hint', 'links': [b'</a.css>; rel=preload']}})\n\
         {START}await send({{'type': 'http.response.pathsend', 'path': '/proc/version_signature/../../etc/hostname'}})"
    ));
    // A path that does not exist is the app's error.
    session.request(GET);
    let written = session.written();
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    assert!(written.starts_with(hint), "{written}");
    assert!(
        written[hint.len()..].starts_with("HTTP/1.1 500"),
        "{written}"
    );

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file").unwrap();
    let mut session = app(&format!(
        "{START}await send({{'type': 'http.response.pathsend', 'path': {:?}}})",
        file.path()
    ));
    session.request(GET);
    let written = session.written();
    assert!(written.contains("\r\nContent-Length: 11\r\n"), "{written}");
    assert!(written.ends_with("\r\n\r\nfrom a file"), "{written}");
    assert_eq!(session.finished(), Some((200, 11, true)));

    let trailers = "await send({'type': 'http.response.start', 'status': 200, 'trailers': True})\n\
         await send({'type': 'http.response.body', 'body': b'x'})\n\
         await send({'type': 'http.response.trailers', 'headers': [(b'a', b'1')], 'more_trailers': True})\n\
         await send({'type': 'http.response.trailers', 'headers': [(b'b', b'2')]})\n";
    let mut session = app(trailers);
    session.request("GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n");
    assert!(
        session
            .written()
            .ends_with("1\r\nx\r\n0\r\na: 1\r\nb: 2\r\n\r\n")
    );
    assert_eq!(session.finished(), Some((200, 1, true)));
    let mut session = app(trailers);
    session.request(GET);
    assert!(session.written().ends_with("1\r\nx\r\n0\r\n\r\n"));
}

#[test]
fn receive_and_send_can_be_tasks_and_be_cancelled() {
    let mut session = app(
        "task = asyncio.create_task(receive())\nlog.append((await task)['type'])\n\
         done, _ = await asyncio.wait([asyncio.ensure_future(receive())], timeout=0.001)\nlog.append(len(done))\n\
         try:\n    await asyncio.wait_for(receive(), 0.001)\nexcept TimeoutError:\n    log.append('timeout')\n\
         try:\n    async with asyncio.timeout(0.001):\n        await receive()\nexcept TimeoutError:\n    log.append('again')\n\
         await asyncio.create_task(send({'type': 'http.response.start', 'status': 204}))\n\
         await asyncio.gather(send({'type': 'http.response.body'}))\n\
         log.append(await receive())\n\
         log.append(asyncio.current_task().get_name())",
    );
    session.wire.lock().unwrap().ended = true;
    session.request("GET /x HTTP/1.1\r\nHost: h\r\n\r\n");
    for _ in 0..1000 {
        if !session.is_running() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        session.within(|_| {});
    }
    assert_eq!(
        session.log(),
        "['http.request', 0, 'timeout', 'again', {'type': 'http.disconnect'}, 'GET /x']"
    );
    assert_eq!(session.finished(), Some((204, 0, true)));
}

#[test]
fn a_cancellation_keeps_its_message() {
    let mut session = app("await receive()\n\
         cancel = asyncio.current_task().cancel\n\
         asyncio.get_running_loop().call_soon(cancel, 'why')\n\
         try:\n    await receive()\nexcept asyncio.CancelledError as error:\n    log.append(error.args)");
    session.wire.lock().unwrap().ended = true;
    session.request(GET);
    assert_eq!(session.log(), "[('why',)]");
}

#[test]
fn a_task_can_be_ended() {
    let mut session = app(
        "try:\n    await asyncio.sleep(100)\nexcept asyncio.CancelledError:\n    log.append('cancelled')\n    raise",
    );
    session.request(GET);
    session.leaves().tell(Call::cancel);
    assert_eq!(session.log(), "['cancelled']");
    assert!(!session.is_running());
}

#[test]
fn every_request_has_its_own_context() {
    let mut session = Session::new(
        "import contextvars\nvar = contextvars.ContextVar('var', default='unset')\n\
         async def app(scope, receive, send):\n    log.append(var.get())\n    var.set('set')\n\
         \x20   await receive()\n    log.append(var.get())\n",
    );
    session.request(POST);
    session.ends();
    session.request(POST);
    assert_eq!(session.log(), "['unset', 'set', 'unset', 'set']");
}

#[test]
fn an_app_may_be_an_object_or_raise_when_called() {
    let mut session = Session::new(
        "class App:\n    async def __call__(self, scope, receive, send):\n        log.append('called')\napp = App()",
    );
    session.request(GET);
    assert_eq!(session.log(), "['called']");
    let mut session = Session::new("def app(scope): pass");
    session.request(GET);
    assert!(session.written().starts_with("HTTP/1.1 500 "));
}
