//! Endless recursion is an exception of Python in every thread of the app.

use std::fs;

use crate::support::{Start, folder, in_each_class};

in_each_class! {
    deep_recursion_is_an_exception,
}

const APP: &str = r#"
class Small:
    """Compares by way of C code, which needs more stack than Python's own."""
    def __lt__(self, other):
        return sorted([Small(), Small()])

def deep(number):
    return len(sorted([1, 2], key=lambda _: deep(number + 1)))

def attempt():
    for act in (lambda: sorted([Small(), Small()]), lambda: deep(0)):
        try:
            act()
        except RecursionError:
            continue
        return b"no end"
    return b"RecursionError"

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [attempt()]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": attempt()})
"#;

fn deep_recursion_is_an_exception(class: &[&str]) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(class).cwd(dir.path()).spawn();
    for _ in 0..5 {
        assert_eq!(server.target().get("/").ok(), "RecursionError");
    }
}
