//! Finds the app and its packages if they are not named.

use std::fs;
use std::path::Path;

use crate::from_zip::read_only;
use crate::support::{Process, Start, folder, program, site};

/// A module whose application answers with `text`.
fn module(name: &str, text: &str) -> String {
    format!(
        "def {name}(environ, start_response):\n    \
             start_response('200 OK', [])\n    \
             return [b'{text}']\n"
    )
}

fn serve(files: &[(&str, &str)], args: &[&str]) -> (tempfile::TempDir, Process) {
    let dir = folder();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let server = Start::server(args).cwd(dir.path()).spawn();
    (dir, server)
}

#[track_caller]
fn found(files: &[(&str, &str)], answer: &str) {
    let (_dir, server) = serve(files, &[]);
    assert_eq!(server.target().get("/").ok(), answer);
}

#[test]
fn an_app_is_found_by_its_usual_names() {
    let application = module("application", "application");
    let app = module("app", "app");
    let factory = format!(
        "def create_app():\n    return made\n\n{}",
        module("made", "made")
    );
    found(&[("wsgi.py", &application)], "application");
    found(&[("app.py", &app)], "app");
    found(&[("main.py", &app)], "app");
    found(&[("app.py", &factory)], "made");
    found(
        &[("wsgi.py", &application), ("app.py", &app)],
        "application",
    );
}

/// A native module whose application answers with "native". It is in C without
/// CPython's headers: the names of the stable ABI are enough.
const NATIVE: &str = r#"
struct slot { int what; void *value; };
struct definition {
    long references; void *type; void *init; long index; void *copy;
    const char *name, *doc; long size; void *methods;
    struct slot *slots; void *traverse, *clear, *free;
};
void *PyModuleDef_Init(struct definition *);
void *PyModule_GetDict(void *);
void *PyEval_GetBuiltins(void);
int PyDict_SetItemString(void *, const char *, void *);
void *Py_CompileString(const char *, const char *, int);
void *PyEval_EvalCode(void *, void *, void *);

static int run(void *module) {
    enum { FILE_INPUT = 257 };
    void *names = PyModule_GetDict(module);
    PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins());
    void *code = Py_CompileString(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'native']\n", "app.c", FILE_INPUT);
    return code && PyEval_EvalCode(code, names, names) ? 0 : -1;
}

enum { EXECUTE = 2 };
static struct slot slots[] = {{EXECUTE, run}, {0, 0}};
static struct definition app = {.references = 1, .name = "app", .slots = slots};

void *PyInit_app(void) { return PyModuleDef_Init(&app); }
"#;

/// Serves this folder without naming the app: as it is, as a zip, and as a zip that
/// cannot be unpacked.
#[track_caller]
fn found_anyhow(folder: &Path, file: &str, answer: &str) {
    let server = Start::server([""; 0]).cwd(folder).spawn();
    assert_eq!(server.target().get("/").ok(), answer, "{file}");
    drop(server);
    let elsewhere = crate::support::folder();
    let zip = elsewhere.path().join("site.zip");
    site::python(["-m", "zipfile", "-c"])
        .args([&zip])
        .args([file])
        .cwd(folder)
        .run()
        .expect_success();
    let server = Start::server(["--app-zip"]).args([&zip]).spawn();
    assert_eq!(server.target().get("/").ok(), answer, "{file} in a zip");
    drop(server);
    if read_only(["true"]).run().code != 0 {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    let server = read_only([program()])
        .args(["--bind", "127.0.0.1:0", "--app-zip"])
        .args([&zip])
        .spawn();
    assert_eq!(server.target().get("/").ok(), answer, "{file} in memory");
}

#[test]
fn an_app_is_found_that_is_only_there_in_compiled_form() {
    let dir = folder();
    let source = dir.path().join("app.py");
    fs::write(&source, module("app", "compiled")).unwrap();
    site::python(["-m", "compileall", "-q", "-b", "app.py"])
        .cwd(dir.path())
        .run()
        .expect_success();
    fs::remove_file(source).unwrap();
    found_anyhow(dir.path(), "app.pyc", "compiled");
}

#[test]
fn an_app_is_found_that_is_a_native_module() {
    let dir = folder();
    let source = dir.path().join("app.c");
    fs::write(&source, NATIVE).unwrap();
    let suffixes = "import _imp; print(*_imp.extension_suffixes())";
    let suffixes = site::python(["-c", suffixes]).run().expect_success().stdout;
    assert_eq!(suffixes.split_whitespace().count(), 3, "{suffixes}");
    for suffix in suffixes.split_whitespace() {
        let file = format!("app{suffix}");
        Start::program("cc", ["-shared", "-fPIC", "-o", &file, "app.c"])
            .cwd(dir.path())
            .run()
            .expect_success();
        found_anyhow(dir.path(), &file, "native");
        fs::remove_file(dir.path().join(file)).unwrap();
    }
}

#[test]
fn the_config_files_wsgi_app_comes_first() {
    let files = [
        ("gunicorn.conf.py", "wsgi_app = 'other:application'\n"),
        ("other.py", &*module("application", "other")),
        ("wsgi.py", &*module("application", "wsgi")),
    ];
    found(&files, "other");
}

#[test]
fn every_way_to_name_an_app_works() {
    let source = "
class Holder:
    def app(environ, start_response):
        start_response('200 OK', [])
        return [b'attribute']

def make(greeting, times=1):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [greeting.encode()] * times
    return app
";
    for (name, answer) in [
        ("site_app:Holder.app", "attribute"),
        ("site_app:make('hi')", "hi"),
        ("site_app:make(\"hi\", times=2)", "hihi"),
    ] {
        let (_dir, server) = serve(&[("site_app.py", source)], &[name]);
        assert_eq!(server.target().get("/").ok(), answer, "{name}");
    }
}

#[test]
fn more_folders_of_modules_can_be_named() {
    let dir = folder();
    fs::create_dir_all(dir.path().join("app")).unwrap();
    fs::create_dir_all(dir.path().join("lib")).unwrap();
    let app = "from helper import application\n";
    fs::write(dir.path().join("app/site_app.py"), app).unwrap();
    let helper = module("application", "helper");
    fs::write(dir.path().join("lib/helper.py"), helper).unwrap();
    let server = Start::server(["--chdir", "app", "--pythonpath", "../lib", "site_app"])
        .cwd(dir.path())
        .spawn();
    assert_eq!(server.target().get("/").ok(), "helper");
}

#[test]
fn a_venv_for_another_python_is_passed_over_unless_named() {
    let application = module("application", "without");
    let files = [
        ("app.py", &*application),
        (".venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.8.1\n"),
    ];
    let (dir, server) = serve(&files, &["app"]);
    let warning = server.stderr.wait_for("[WARNING]");
    assert!(warning.contains("3.8.1"), "{warning}");
    assert_eq!(server.target().get("/").ok(), "without");
    let named = Start::server(["--venv", ".venv", "app"])
        .cwd(dir.path())
        .run();
    assert_eq!(named.code, 1, "{}", named.stderr);
    assert!(named.stderr.contains("3.8.1"), "{}", named.stderr);
}

#[test]
fn pth_files_inside_a_zip_are_honoured() {
    let dir = folder();
    let zip = site::small_zip(
        dir.path(),
        &[
            ("app.py", "from vendored import application\n"),
            ("site-packages/vendor.pth", "vendor\n"),
            (
                "site-packages/vendor/vendored.py",
                &module("application", "vendored"),
            ),
        ],
    );
    let server = Start::server(["app", "--app-zip"]).args([zip]).spawn();
    assert_eq!(server.target().get("/").ok(), "vendored");
}
