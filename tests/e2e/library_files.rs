//! `RGUNICORN_STDLIB_FILES`: the standard library as files, for programs that look for
//! them.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Finished, Process, Root, Start, app, folder, program, site};

const VARIABLE: &str = "RGUNICORN_STDLIB_FILES";

#[test]
fn pylint_and_jedi_find_the_library() {
    let python = site::venv("linters").join("bin/python");
    let cache = folder();
    let run = |words: &[&str], files: &str| -> Finished {
        Start::program(&python, words)
            .cwd(app("linters"))
            .env("XDG_CACHE_HOME", cache.path())
            .env(VARIABLE, files)
            .run_slowly()
    };
    let pylint = ["-m", "pylint", "--score=n", "sample.py"];
    let told = run(&pylint, "");
    assert!(told.stdout.contains("import-error"), "{}", told.stdout);
    let told = run(&pylint, "1");
    let mistakes = "\
        sample.py:11:0: E1101: Module 'json' has no 'no_such_function' member (no-member)\n\
        sample.py:12:0: E1120: No value for argument 'obj' in function call (no-value-for-parameter)";
    assert!(told.stdout.ends_with(mistakes), "{}", told.stdout);
    assert!(!told.stdout.contains("import-error"), "{}", told.stdout);

    let told = run(&["complete.py"], "yes").expect_success().stdout;
    let (file, rest) = told.split_once(' ').unwrap();
    assert!(file.ends_with("/json/__init__.py"), "{told}");
    assert!(rest.ends_with(" add_argument add_argument_group"), "{told}");
    let line: usize = rest.split(' ').next().unwrap().parse().unwrap();
    let text = fs::read_to_string(file).unwrap();
    let found = text.lines().nth(line - 1).unwrap();
    assert!(found.starts_with("def dumps("), "{found}");
}

/// Reports where the library is, and whether all its loaded modules are files.
const TELL: &str = "
import importlib.resources, inspect, json, os, sys, sysconfig
import gunicorn, tzdata
where = os.path.dirname(os.path.dirname(json.__file__))
assert sysconfig.get_path('stdlib') == where == sys._stdlib_dir, where
assert (sys.prefix == sys.base_prefix) == ('VENV' not in os.environ)
files = [module.__file__ for module in list(sys.modules.values())
         if module.__spec__ and module.__spec__.has_location]
are = {os.path.isfile(file) for file in files if not file.startswith('/site/')}
assert tzdata.__file__ in files and gunicorn.__file__ in files and len(are) == 1, (are, files)
assert 'def dumps' in inspect.getsource(json.dumps)
assert (importlib.resources.files('json') / 'tool.py').is_file()
told = f'{are.pop()} {where}'
";

#[test]
fn the_variable_says_yes_or_no() {
    let cache = folder();
    let code = format!("{TELL}print(told)");
    let run = |value: &str| {
        Start::new(["python", "-c", &code])
            .env("XDG_CACHE_HOME", cache.path())
            .env(VARIABLE, value)
            .run()
    };
    for no in ["", "0", "false", "No", "off"] {
        let told = run(no).expect_success().stdout;
        let expected = format!("False {}/lib/python3.", program().display());
        assert!(told.starts_with(&expected), "{no:?}: {told}");
    }
    let place = cache.path().join("rgunicorn/library/");
    assert!(!place.exists());
    for yes in ["1", "true", "Yes", "on"] {
        let told = run(yes).expect_success().stdout;
        let expected = format!("True {}", place.display());
        assert!(told.starts_with(&expected), "{yes:?}: {told}");
        // Deleted files are put back.
        let (_, library) = told.split_once(' ').unwrap();
        fs::remove_dir_all(format!("{library}/json")).unwrap();
    }
    let sentence = format!(
        "\nError: {VARIABLE} is neither yes nor no; take 1, true, yes or on, or 0, false, no or off"
    );
    let told = run("maybe");
    assert_eq!((told.code, &*told.stderr), (1, &*sentence));
    let told = Start::server(["app:app"]).env(VARIABLE, "maybe").run();
    assert_eq!((told.code, &*told.stderr), (1, &*sentence));
}

#[test]
fn a_virtual_environment_has_them_too() {
    let dir = folder();
    let venv = site::small_venv(dir.path(), "module.py", "");
    let told = Start::program(
        venv.join("bin/python"),
        ["-c", &format!("{TELL}print(told)")],
    )
    .env("XDG_CACHE_HOME", dir.path())
    .env("VENV", "1")
    .env(VARIABLE, "1")
    .run()
    .expect_success();
    assert!(told.stdout.starts_with("True "), "{}", told.stdout);
}

#[test]
fn workers_and_their_children_have_them() {
    let Some(root) = Root::empty() else { return };
    let child = format!("{TELL}print(told, end='')");
    let app = format!(
        "import subprocess, sys
{TELL}
def app(environ, start_response):
    start_response('200 OK', [])
    child = [sys.executable, '-c', {child:?}]
    child = subprocess.run(child, capture_output=True, text=True)
    return [f'{{told}}|{{child.stdout}}{{child.stderr}}'.encode()]
"
    );
    let root = root
        .with_tmp()
        .variable(VARIABLE, "1")
        .write("/site/app.py", &app)
        .read_only();
    let serve = |how: &[&str]| -> Process {
        let server = root.server(["--chdir", "/site", "--user", "65534", "app:app"]);
        server.args(how).spawn()
    };
    for (how, owner) in [(&[][..], "65534"), (&["--preload"], "0")] {
        let mut server = serve(how);
        let page = server.target().get("/").ok();
        let (worker, child) = page.split_once('|').unwrap();
        let expected = format!("True /tmp/rgunicorn-{owner}/library/");
        assert!(worker.starts_with(&expected), "{how:?}: {page}");
        let expected = "True /tmp/rgunicorn-65534/library/";
        assert!(child.starts_with(expected), "{how:?}: {page}");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0, "{}", server.stderr.so_far());
    }
}

#[test]
fn where_they_cannot_be_written_a_sentence_says_so() {
    let Some(root) = Root::empty() else { return };
    let root = root
        .variable(VARIABLE, "1")
        .write("/app.py", "def app(environ, start_response): pass")
        .read_only();
    let sentence = format!(
        "{VARIABLE} asks for the standard library's files, and they can be written nowhere: "
    );
    let told = root.start(["python", "-c", "pass"]).run();
    assert_eq!(told.code, 1);
    assert!(
        told.stderr.starts_with(&format!("rgunicorn: {sentence}")),
        "{}",
        told.stderr
    );
    let told = root.server(["app:app"]).run();
    assert_ne!(told.code, 0);
    assert!(told.stderr.contains(&sentence), "{}", told.stderr);
}
