//! `rgunicorn pack`: a project's folder becomes a zip or an executable.

mod dependencies;
mod executable;
mod files;
mod image;
mod interrupted;
mod refusals;
mod sites;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Finished, Process, Start, folder, site};

const APP: &str = "
import os, helper

def application(environ, start_response):
    with open(os.path.join(os.path.dirname(__file__), 'data/words.txt')) as file:
        words = file.read()
    if environ['PATH_INFO'] == '/tool':
        words = os.popen(os.path.join(os.path.dirname(__file__), 'tool.sh')).read()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [f'{helper.NAME} {words}'.encode()]
";

/// A project without dependencies.
fn project() -> TempDir {
    let dir = folder();
    write(dir.path(), "app.py", APP);
    write(dir.path(), "helper.py", "NAME = 'first'\n");
    write(dir.path(), "data/words.txt", "some words");
    write(dir.path(), "tool.sh", "#!/bin/sh\necho a tool\n");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.path().join("tool.sh"), executable).unwrap();
    dir
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn pack(project: &Path, args: &[&str]) -> Finished {
    Start::new(["pack"]).args(args).cwd(project).run()
}

/// An executable with the project in it, in another folder.
fn executable(project: &Path, args: &[&str]) -> (TempDir, PathBuf) {
    let dir = folder();
    let file = dir.path().join("shop");
    let output = ["-o", file.to_str().unwrap()];
    pack(project, &[&output[..], args].concat()).expect_success();
    (dir, file)
}

fn serve(file: &Path, args: &[&str]) -> Process {
    Start::program(file, ["--bind", "127.0.0.1:0"])
        .args(args)
        .cwd("/")
        .spawn()
}

/// The names in a zip, also behind an executable, as Python reads them.
fn names(file: &Path) -> Vec<String> {
    let code = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    assert file.testzip() is None
    print(*file.namelist(), sep='\\n')";
    let done = site::python(["-c", code])
        .args([file])
        .run()
        .expect_success();
    done.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_project_is_served_from_each_form_as_from_its_folder() {
    let project = project();
    let (dir, file) = executable(project.path(), &[]);
    let zip = dir.path().join("shop.zip");
    let made = pack(project.path(), &["-o", zip.to_str().unwrap()]).expect_success();
    assert!(
        made.stdout.contains("rgunicorn --app-zip"),
        "{}",
        made.stdout
    );
    let servers = [
        Start::server(["app"]).cwd(project.path()).spawn(),
        Start::server(["--app-zip"]).args([&zip]).cwd("/").spawn(),
        serve(&file, &[]),
    ];
    for server in servers {
        let target = server.target();
        assert_eq!(target.get("/").ok(), "first some words");
        assert_eq!(target.get("/tool").ok(), "first a tool\n");
    }
    let expected = [
        "rgunicorn.json",
        "__pycache__/app.cpython-313.pyc",
        "__pycache__/helper.cpython-313.pyc",
        "app.py",
        "data/words.txt",
        "helper.py",
        "tool.sh",
    ];
    assert_eq!(names(&zip), expected);
    assert_eq!(names(&file), expected);
}

#[test]
fn an_unpacked_pack_is_served_from_its_folder() {
    let project = project();
    let (dir, file) = executable(project.path(), &["--set", "raw_env=WORD=packed"]);
    let back = dir.path().join("back");
    let unpack = || Start::new(["unpack"]).args([&file, &back]).run();
    unpack().expect_success();
    let text = |folder: &Path| fs::read(folder.join("app.py")).unwrap();
    assert_eq!(text(&back), text(project.path()));
    assert!(unpack().stderr.contains("is not empty"));

    let image = dir.path().join("shop.tar");
    let more = [
        "--set",
        "raw_env=WORD=packed",
        "--image",
        image.to_str().unwrap(),
    ];
    pack(project.path(), &more).expect_success();
    let other = dir.path().join("other");
    let unpacked = Start::new(["unpack"]).args([&image, &other]).run();
    unpacked.expect_success();
    for file in ["app.py", "tool.sh", "rgunicorn.json"] {
        let [one, two] = [&back, &other].map(|folder| fs::read(folder.join(file)).unwrap());
        assert!(one == two, "{file}");
    }

    let server = Start::server(["--app-zip"]).args([&other]).cwd("/").spawn();
    assert_eq!(server.target().get("/tool").ok(), "first a tool\n");
    let code = "import os, helper; print(os.environ['WORD'], helper.__file__)";
    let done = Start::new(["--app-zip"])
        .args([back.to_str().unwrap(), "python", "-c", code])
        .run()
        .expect_success();
    let there = back.canonicalize().unwrap();
    assert_eq!(done.stdout, format!("packed {}/helper.py", there.display()));
}

#[test]
fn packed_settings_hold_where_nothing_else_says_otherwise() {
    let project = project();
    let settings = "[project]\nname = 'shop'\nversion = '1.2'\n\
                    [tool.rgunicorn]\nworkers = 2\nthreads = 3\nkeep-alive = 7\nraw_env = ['A=1']\n\
                    [tool.rgunicorn.pack]\nset = ['threads=4']\n";
    write(
        project.path(),
        "pyproject.toml",
        &settings.replace("keep-alive", "keepalive"),
    );
    let (_dir, file) = executable(project.path(), &["--set", "timeout=9", "--app", "app"]);
    let shown = |start: Start, name: &str| {
        let done = start.args(["--print-config"]).run().expect_success();
        let start = format!("{name} ");
        let line = done.stdout.lines().find(|line| line.starts_with(&start));
        line.unwrap().split_once("= ").unwrap().1.to_owned()
    };
    let plain = || Start::program(&file, [""; 0]).cwd("/");
    for (name, value) in [
        ("workers", "2"),
        ("threads", "4"),
        ("keepalive", "7"),
        ("timeout", "9"),
        ("raw_env", "['A=1']"),
        ("wsgi_app", "'app'"),
    ] {
        let value = value.trim_matches('\'');
        assert_eq!(shown(plain(), name).trim_matches('\''), value, "{name}");
    }
    assert_eq!(shown(plain().env("WEB_CONCURRENCY", "5"), "workers"), "5");
    assert_eq!(shown(plain().args(["--workers", "6"]), "workers"), "6");
    let more = plain().env("GUNICORN_CMD_ARGS", "--timeout 8");
    assert_eq!(shown(more, "timeout"), "8");

    let help = plain().args(["--help"]).run().expect_success();
    assert!(help.stdout.contains("shop 1.2"), "{}", help.stdout);
    assert!(help.stdout.contains("shop [OPTIONS]"), "{}", help.stdout);
}

#[test]
fn a_packed_config_file_counts_as_always() {
    let project = project();
    write(
        project.path(),
        "gunicorn.conf.py",
        "import helper\nworkers = 3\nproc_name = helper.NAME\n",
    );
    let (_dir, file) = executable(project.path(), &["--set", "threads=2"]);
    let shown = Start::program(&file, ["--print-config"])
        .cwd("/")
        .run()
        .expect_success();
    for line in ["workers", "threads", "proc_name"].map(|name| {
        shown
            .stdout
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap()
    }) {
        let value = line.split_once("= ").unwrap().1;
        assert!(["3", "2", "first", "'first'"].contains(&value), "{line}");
    }
    let done = pack(project.path(), &["--set", "workers=4", "-o", "shop.zip"]).expect_success();
    assert!(
        done.stderr
            .contains("gunicorn.conf.py in the project gives workers"),
        "{}",
        done.stderr
    );
}

#[test]
fn what_is_changed_in_an_unpacked_pack_counts() {
    let project = project();
    let (dir, file) = executable(project.path(), &[]);
    let back = dir.path().join("back");
    Start::new(["unpack"])
        .args([&file, &back])
        .run()
        .expect_success();
    write(&back, "helper.py", "NAME = 'edited'\n");
    let server = Start::server(["--app-zip"]).args([&back]).cwd("/").spawn();
    assert_eq!(server.target().get("/").ok(), "edited some words");
}

#[test]
fn packed_folders_are_meant_from_the_packs_root() {
    let project = folder();
    write(project.path(), "src/shop/__init__.py", "");
    write(project.path(), "src/shop/web.py", APP);
    write(project.path(), "src/helper.py", "NAME = 'in src'\n");
    write(project.path(), "src/shop/data/words.txt", "some words");
    let done = pack(project.path(), &["-o", "shop.zip"]);
    assert!(
        done.stderr.contains("--set pythonpath=src"),
        "{}",
        done.stderr
    );
    let args = ["--app", "shop.web", "--set", "pythonpath=src"];
    let (_dir, file) = executable(project.path(), &args);
    assert_eq!(
        serve(&file, &[]).target().get("/").ok(),
        "in src some words"
    );
    let code = "import helper; print(helper.NAME)";
    let done = Start::program(&file, ["python", "-c", code]).cwd("/").run();
    assert_eq!(done.expect_success().stdout, "in src");
}
