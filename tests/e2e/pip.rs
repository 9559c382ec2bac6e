//! The included pip, `rgunicorn python -m pip`.

use std::env;
use std::fs;
use std::path::Path;

use crate::support::{Finished, Root, Start, folder, packages, site};

/// pip with a folder as its index.
fn pip(command: &str, index: &Path) -> Start {
    offline(site::python(["-m", "pip", command]), index)
}

fn offline(start: Start, index: &Path) -> Start {
    start
        .args(["--no-index", "--find-links"])
        .args([index])
        .env("PIP_FIND_LINKS", "")
}

fn first_line(done: &Finished) -> &str {
    done.stderr.lines().next().unwrap_or_default()
}

#[test]
fn it_installs_into_folders_downloads_and_builds() {
    let dir = folder();
    let index = dir.path().join("index");
    packages::wheel(&index, "one", "1.0", &["Requires-Dist: two"]);
    packages::wheel(&index, "two", "2.0", &[]);
    let place = |name: &str| dir.path().join(name);
    let said = site::python(["-m", "pip", "--version"])
        .run()
        .expect_success();
    assert!(said.stdout.starts_with("pip "), "{}", said.stdout);

    pip("install", &index)
        .args(["one", "--target"])
        .args([place("target")])
        .run()
        .expect_success();
    for module in ["one.py", "two.py"] {
        assert!(place("target").join(module).is_file());
    }
    pip("download", &index)
        .args(["one", "--dest"])
        .args([place("downloads")])
        .run()
        .expect_success();
    let downloaded = place("downloads").join("two-2.0-py3-none-any.whl");
    assert!(downloaded.is_file());

    packages::project(&place("three"), "three", "3.0");
    pip("wheel", &index)
        .args(["--wheel-dir"])
        .args([place("wheels"), place("three")])
        .run()
        .expect_success();
    let built = place("wheels").join("three-3.0-py3-none-any.whl");
    assert!(built.is_file());
}

/// Also if `PYTHONDONTWRITEBYTECODE` forbids it.
#[test]
fn it_is_laid_out_and_compiled_once() {
    let dir = folder();
    let compiled = || {
        let place = fs::read_dir(dir.path().join("rgunicorn/pip")).unwrap();
        let folder = place.flatten().next().unwrap().path();
        let tag = format!("__init__.cpython-{}.pyc", minor().replace('.', ""));
        let file = folder.join("pip/__pycache__").join(tag);
        fs::metadata(file).unwrap().modified().unwrap()
    };
    let times = [(); 2].map(|()| {
        site::python(["-m", "pip", "--version"])
            .env("XDG_CACHE_HOME", dir.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .run()
            .expect_success();
        compiled()
    });
    assert_eq!(times[0], times[1]);
}

/// The version of the Python inside, as in `3.13`.
fn minor() -> String {
    let code = "import sys; print('%d.%d' % sys.version_info[:2])";
    site::python(["-c", code]).run().expect_success().stdout
}

#[test]
fn without_a_place_to_install_to_nothing_is_written() {
    let dir = folder();
    let index = dir.path().join("index");
    packages::wheel(&index, "one", "1.0", &[]);
    for command in [&["install"][..], &["install", "--user"]] {
        let done = offline(site::python(["-m", "pip"]).args(command), &index)
            .args(["one"])
            .run();
        assert_eq!(done.code, 1);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
        assert!(
            first_line(&done).contains("nothing can be installed into it"),
            "{}",
            done.stderr
        );
    }
    let code = "import importlib.util as util; print(util.find_spec('one'))";
    let done = site::python(["-c", code]).run().expect_success();
    assert_eq!(done.stdout, "None");
}

#[test]
fn in_a_venv_without_pip_it_is_there_until_one_is_installed() {
    let dir = folder();
    let index = dir.path().join("index");
    packages::wheel(&index, "one", "1.0", &[]);
    let own = [
        ("pip/__init__.py", ""),
        ("pip/__main__.py", "print('installed')"),
    ];
    packages::wheel_with(&index, "pip", "99.0", &[], &own);
    let python = site::small_venv(dir.path(), "module.py", "").join("bin/python");
    let pip = |words: &[&str]| Start::program(&python, ["-m", "pip"]).args(words);
    offline(pip(&["install", "one"]), &index)
        .run()
        .expect_success();
    let code = "import one; print(one.VERSION)";
    let done = Start::program(&python, ["-c", code]).run().expect_success();
    assert_eq!(done.stdout, "1.0");
    assert!(pip(&["freeze"]).run().stdout.contains("one==1.0"));

    offline(pip(&["install", "pip"]), &index)
        .run()
        .expect_success();
    assert_eq!(pip(&["freeze"]).run().stdout, "installed");
}

#[test]
fn who_imports_it_without_having_it_is_told_so() {
    let done = site::python(["-c", "import pip"]).run();
    assert!(done.stderr.contains("No module named 'pip'"));
    let dir = folder();
    let app = "def app(environ, start_response):
    start_response('200 OK', [])
    try:
        import pip
    except ImportError as error:
        return [str(error).encode()]
    return [b'imported']
";
    fs::write(dir.path().join("app.py"), app).unwrap();
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    assert_eq!(server.target().get("/").ok(), "No module named 'pip'");
}

#[test]
fn where_nothing_can_be_written_it_comes_from_memory() {
    let Some(root) = Root::empty() else { return };
    let root = root.with_proc().read_only();
    let done = root
        .start(["python", "-m", "pip", "--version"])
        .run()
        .expect_success();
    assert!(done.stdout.contains("/proc/self/fd/"), "{}", done.stdout);
}

/// There are no wheels for it on PyPI. The root has the host's compiler, and no other
/// Python.
#[test]
fn a_package_in_c_is_built_where_no_python_is_installed() {
    let Some(root) = Root::empty().and_then(Root::with_compiler) else {
        return;
    };
    let mut root = root.with_proc().write("tmp/empty", "");
    // Variables that pip needs to reach PyPI.
    for (name, value) in env::vars() {
        let lower = name.to_lowercase();
        let network = lower.contains("proxy") || lower.contains("ssl_cert");
        if network || lower.starts_with("pip_") && lower != "pip_find_links" {
            root = root.variable(&name, &value);
        }
    }
    root = root.variable("PATH", "/usr/bin");
    let search = "import glob; print(glob.glob('/usr/bin/py*'), glob.glob('/usr/lib/python*/*'))";
    let done = root.start(["python", "-c", search]).run().expect_success();
    assert_eq!(done.stdout, "[] []");
    root.start(["python", "-m", "venv", "/env"])
        .run_slowly()
        .expect_success();
    root.start_by(
        "/env/bin/python",
        ["-m", "pip", "install", "sysv_ipc==1.1.0"],
    )
    .run_slowly()
    .expect_success();
    let code = "import sysv_ipc; print(sysv_ipc.__version__, sysv_ipc.__file__)";
    let done = root
        .start_by("/env/bin/python", ["-c", code])
        .run()
        .expect_success();
    let (version, file) = done.stdout.split_once(' ').unwrap();
    assert_eq!(version, "1.1.0");
    assert!(file.ends_with(".so"), "{file}");
}
