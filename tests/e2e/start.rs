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
