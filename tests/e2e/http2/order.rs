//! Whose turn it is: urgent answers go out first, and clients with many requests do not
//! hold up the others.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::support::http2::{Http2, Origin, frame};
use crate::support::{Start, folder, in_each_class};

in_each_class! {
    the_more_urgent_answer_goes_out_first,
    incremental_answers_share_the_connection,
    an_answer_that_waits_for_others_is_not_cut_off,
    clients_take_turns,
}

/// The length of a long answer.
const LONG: usize = 2_000_000;

const APP: &str = "
import asyncio, time

LONG = b'x' * 2_000_000

def wsgi(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/slow':
        time.sleep(0.02)
    start_response('200 OK', [])
    return [LONG if path == '/long' else b'done']

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    if scope['path'] == '/slow':
        time.sleep(0.02)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    body = LONG if scope['path'] == '/long' else b'done'
    await send({'type': 'http.response.body', 'body': body})
";

fn serve(class: &[&str]) -> (tempfile::TempDir, crate::support::Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--http2-cleartext", "prior-knowledge"])
        .args(class)
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

/// Asks for a long answer with this priority, and waits until the connection's window
/// is used up.
fn ask(client: &mut Http2, priority: &str) -> u32 {
    client.request("GET", "/long", &[("priority", priority)], b"")
}

const FIRST_WINDOW: usize = 65_535;

fn the_more_urgent_answer_goes_out_first(class: &[&str]) {
    let (_app, server) = serve(class);
    let large = [(4, i32::MAX as u32)];
    let mut client = Http2::open_with(&Origin::http(&server.target()), &large);
    client.be_rude();
    let late = ask(&mut client, "u=7");
    client.body_of(late, FIRST_WINDOW);
    let usual = client.get("/long");
    let urgent = ask(&mut client, "u=0, i");
    client.response_head(usual);
    client.response_head(urgent);
    // Now there is room for one of them, and then for another one.
    for stream in [urgent, usual] {
        client.send(frame::window_update(0, LONG as u32));
        assert_eq!(client.response(stream).body.len(), LONG);
    }
    assert_eq!(client.so_far(late).body.len(), FIRST_WINDOW);
    client.send(frame::window_update(0, LONG as u32));
    assert_eq!(client.response(late).body.len(), LONG);
}

fn incremental_answers_share_the_connection(class: &[&str]) {
    let (_app, server) = serve(class);
    let large = [(4, i32::MAX as u32)];
    let mut client = Http2::open_with(&Origin::http(&server.target()), &large);
    client.be_rude();
    let first = ask(&mut client, "i");
    client.body_of(first, FIRST_WINDOW);
    let second = ask(&mut client, "i");
    client.response_head(second);
    client.send(frame::window_update(0, 1_000_000));
    client.wait_until("the window is used up", |client| {
        let lengths = [first, second].map(|it| client.so_far(it).body.len());
        lengths[0] + lengths[1] == FIRST_WINDOW + 1_000_000
    });
    // Those who take turns get about the same.
    let length = client.so_far(second).body.len();
    assert!((400_000..600_000).contains(&length), "{length}");
}

fn an_answer_that_waits_for_others_is_not_cut_off(class: &[&str]) {
    let (_app, server) = serve(&[&["--timeout", "2"], class].concat());
    let large = [(4, i32::MAX as u32)];
    let mut client = Http2::open_with(&Origin::http(&server.target()), &large);
    client.be_rude();
    let late = ask(&mut client, "u=7");
    client.body_of(late, FIRST_WINDOW);
    let urgent = ask(&mut client, "u=0");
    client.response_head(urgent);
    // The client takes something all the time, for longer than its time for nothing.
    for taken in 1..=30 {
        client.send(frame::window_update(0, 50_000));
        client.body_of(urgent, taken * 50_000);
        thread::sleep(Duration::from_millis(100));
    }
    client.send(frame::window_update(0, 2 * LONG as u32));
    for stream in [urgent, late] {
        assert_eq!(client.response(stream).body.len(), LONG);
    }
}

fn clients_take_turns(class: &[&str]) {
    let (_app, server) = serve(class);
    let origin = Origin::http(&server.target());
    let (mut greedy, mut modest) = (Http2::open(&origin), Http2::open(&origin));
    let streams: Vec<_> = (0..90).map(|_| greedy.get("/slow")).collect();
    greedy.ping();
    let stream = modest.get("/");
    assert_eq!(modest.response(stream).ok(), "done");
    greedy.ping();
    let answered = streams
        .iter()
        .filter(|stream| greedy.so_far(**stream).has_ended)
        .count();
    assert!(answered < 80, "{answered} of 90 were answered before");
    for stream in streams {
        assert_eq!(greedy.response(stream).ok(), "done");
    }
}
