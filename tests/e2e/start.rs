//! What every start imports (`stdlib-bundle/start.txt`), and what it does not.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Start, folder};

/// Prints the modules of the bundle that are loaded, as the list names them.
const LOADED: &str = "import sys
def loaded():
    folder = sys._stdlib_dir + '/'
    files = {module.__spec__.origin or '' for module in list(sys.modules.values()) if module.__spec__}
    return [file.removeprefix(folder) for file in sorted(files) if file.startswith(folder)]
";

#[test]
fn the_modules_of_every_start_are_listed() {
    let code = format!("{LOADED}print(*loaded(), sep='\\n')");
    let python = Start::new(["python", "-I", "-c", &code])
        .run()
        .expect_success();
    let mut loaded = lines(&python.stdout);
    let site = folder();
    let app = format!(
        "{LOADED}def app(environ, start_response):
    start_response('200 OK', [])
    return ['\\n'.join(loaded()).encode()]
"
    );
    fs::write(site.path().join("site_app.py"), app).unwrap();
    let server = Start::server(["site_app:app"]).cwd(site.path()).spawn();
    loaded.extend(lines(&server.target().get("/").ok()));
    let list = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/stdlib-bundle/start.txt"
    ));
    let list = list.unwrap();
    let listed = list.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(
        loaded,
        lines(&listed.collect::<Vec<_>>().join("\n")),
        "correct stdlib-bundle/start.txt, or import less"
    );
}

fn lines(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// An app that imports nothing, and looks at the client's socket.
const SOCKETS: &str = "import sys
def app(environ, start_response):
    offered = environ['gunicorn.socket']
    path = environ['PATH_INFO']
    if path == '/before':
        told = 'socket' in sys.modules
    elif path == '/seen':
        is_peer = offered.getpeername() == ('127.0.0.1', int(environ['REMOTE_PORT']))
        from socket import socket
        told = f'{is_peer} {isinstance(offered, socket)} {offered!r}'
    else:
        with offered:
            offered.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\nmine')
        return []
    start_response('200 OK', [])
    return [str(told).encode()]
";

#[test]
fn the_clients_socket_is_made_when_an_app_looks_at_it() {
    let site = folder();
    fs::write(site.path().join("site_app.py"), SOCKETS).unwrap();
    let server = Start::server(["site_app:app"]).cwd(site.path()).spawn();
    let target = server.target();
    assert_eq!(target.get("/before").ok(), "False");
    // The first request that looks, and one that gets the object of the one before.
    for path in ["/seen", "/seen"] {
        let told = "True True <gunicorn.socket, not in use>";
        assert_eq!(target.get(path).ok(), told);
    }
    assert_eq!(target.get("/take").ok(), "mine");
    assert_eq!(target.get("/before").ok(), "True");
}
