//! How the app is named, and how it is found if it is not named.

use std::fs;
use std::path::Path;

use crate::support::{Finished, Start, folder};

/// A folder with these files.
fn site(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = folder();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn answer(dir: &Path, args: &[&str]) -> String {
    let server = Start::server(args).cwd(dir).spawn();
    server.target().get("/").ok()
}

fn failure(dir: &Path, args: &[&str]) -> Finished {
    Start::server(args).cwd(dir).run()
}

const APPS: &str = "
def make(text):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [text.encode()]
    return app
";

fn module(lines: &str) -> String {
    format!("{APPS}{lines}\n")
}

#[test]
fn all_ways_to_name_an_app() {
    let text = module(
        "application = make('default')\n\
         other = make('other')\n\
         class space: inner = make('inner')\n\
         def factory(name='none', k=0): return make(f'{name} {k}')\n\
         class space2:\n    made = staticmethod(lambda x: make(x))",
    );
    let dir = site(&[
        ("site1.py", &text),
        ("package/__init__.py", ""),
        ("package/web.py", &text),
    ]);
    for (name, body) in [
        ("site1", "default"),
        ("package.web", "default"),
        ("site1:other", "other"),
        ("site1:space.inner", "inner"),
        ("site1:factory()", "none 0"),
        ("site1:factory('x', k=1)", "x 1"),
        ("site1:factory(name=\"y\", k=(1, None))", "y (1, None)"),
        ("site1:space2.made('z')", "z"),
    ] {
        assert_eq!(answer(dir.path(), &[name]), body, "{name}");
    }
    for (name, message) in [
        ("site1:nope", "Failed to find attribute 'nope' in 'site1'."),
        (
            "site1:space.nope",
            "Failed to find attribute 'nope' in 'site1'.",
        ),
        ("site1:factory(print)", "only literal values"),
        (
            "site1:factory(**{})",
            "Failed to parse 'factory(**{})' as an attribute name or function call.",
        ),
        (
            "site1:1+1",
            "Failed to parse '1+1' as an attribute name or function call.",
        ),
        (
            "site1:factory(1, 2, 3)",
            "TypeError: factory() takes from 0 to 2 positional arguments",
        ),
    ] {
        let failed = failure(dir.path(), &[name]);
        assert_eq!(failed.code, 4, "{name}\n{}", failed.stderr);
        assert!(failed.stderr.contains(message), "{name}\n{}", failed.stderr);
    }
}

#[test]
fn conventions_find_the_app() {
    let wsgi = module("application = make('wsgi')");
    let app = module("app = make('app')");
    let factory = module("def create_app(): return make('made')");
    let found = |files: &[(&str, &str)]| answer(site(files).path(), &[]);
    assert_eq!(found(&[("app.py", &app), ("wsgi.py", &wsgi)]), "wsgi");
    assert_eq!(found(&[("app.py", &app), ("main.py", &factory)]), "app");
    assert_eq!(found(&[("main.py", &factory)]), "made");
    assert_eq!(found(&[("wsgi.py", ""), ("app/__init__.py", &app)]), "app");
    let manage = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n";
    assert_eq!(
        found(&[("manage.py", manage), ("shop/wsgi.py", &wsgi)]),
        "wsgi"
    );

    let nothing = failure(site(&[("app.py", "x = 1")]).path(), &[]);
    assert_eq!(nothing.code, 4, "{}", nothing.stderr);
    assert!(
        nothing
            .stderr
            .contains("looked for application, app, create_app(), make_app()")
    );
    let nowhere = failure(site(&[]).path(), &[]);
    assert_eq!(nowhere.code, 1, "{}", nowhere.stderr);
    assert!(
        nowhere
            .stderr
            .contains("Error: No application module specified.\nLooked in ")
    );
}

/// The garbage collector runs less often while the app is loaded.
#[test]
fn the_collector_is_as_the_app_wants_it() {
    let app = "
def application(environ, start_response):
    start_response('200 OK', [])
    return [str(gc.get_threshold()).encode()]
";
    let usual = Start::new(["python", "-c", "import gc; print(gc.get_threshold())"])
        .run()
        .expect_success();
    for (line, expected) in [
        ("import gc", usual.stdout.trim()),
        ("import gc; gc.set_threshold(900, 8, 7)", "(900, 8, 7)"),
    ] {
        let dir = site(&[("wsgi.py", &format!("{line}\n{app}"))]);
        assert_eq!(answer(dir.path(), &["wsgi"]), expected, "{line}");
        assert_eq!(answer(dir.path(), &[]), expected, "{line}");
    }
}
