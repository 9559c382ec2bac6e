//! `rgunicorn pack`: a project's folder becomes a zip or an executable.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Finished, Process, Root, Start, folder, site, wait_until};

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

/// An executable with the project in it, outside the project.
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

/// The names in a zip, or behind an executable, as another program sees them.
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
fn its_executable_is_python_with_the_site() {
    let project = project();
    let (_dir, file) = executable(project.path(), &[]);
    let code = "import sys, helper, subprocess
print(helper.NAME, subprocess.check_output(
    [sys.executable, '-c', 'import helper; print(helper.NAME * 2)'], text=True).strip())";
    for args in [&["python", "-c", code][..], &["-c", code]] {
        let done = Start::program(&file, args).cwd("/").run().expect_success();
        assert_eq!(done.stdout, "first firstfirst");
    }
    // Who calls it so means the interpreter.
    let dir = folder();
    let python = dir.path().join("python");
    symlink(&file, &python).unwrap();
    let done = Start::program(&python, ["-c", "import helper"])
        .cwd("/")
        .run();
    assert!(
        done.stderr.contains("No module named 'helper'"),
        "{}",
        done.stderr
    );
}

#[test]
fn hup_and_usr2_take_the_site_of_a_replaced_executable() {
    let project = project();
    let (_dir, file) = executable(project.path(), &[]);
    let mut server = serve(&file, &[]);
    let target = server.target();
    assert_eq!(target.get("/").ok(), "first some words");

    let replace = |name: &str| {
        write(project.path(), "helper.py", &format!("NAME = '{name}'\n"));
        pack(project.path(), &["-o", file.to_str().unwrap()]).expect_success();
    };
    replace("second");
    server.signal(Signal::SIGHUP);
    wait_until("the second site is served", || {
        target.get("/").ok() == "second some words"
    });

    // One that has no site changes nothing.
    let packed = file.with_file_name("packed");
    fs::rename(&file, &packed).unwrap();
    crate::support::copy_program(&file);
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("is gone, as when somebody strips the file");
    assert_eq!(target.get("/").ok(), "second some words");
    fs::rename(&packed, &file).unwrap();

    replace("third");
    server.signal(Signal::SIGUSR2);
    server.stderr.wait_until(
        |lines| {
            let ready = lines.iter().filter(|it| it.contains("Using worker"));
            ready.count() == 2
        },
        "the second master's worker is ready",
    );
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0, "{}", server.stderr.so_far());
    assert_eq!(target.get("/").ok(), "third some words");
    let log = server.stderr.so_far();
    let second = log.lines().rev().find_map(|line| {
        line.contains("Starting rgunicorn")
            .then(|| line.split(['[', ']']).nth(3).unwrap().to_owned())
    });
    let second = nix::unistd::Pid::from_raw(second.unwrap().parse().unwrap());
    nix::sys::signal::kill(second, Signal::SIGTERM).unwrap();
    wait_until("the second master has ended", || target.connect().is_err());
}

#[test]
fn its_executable_runs_where_there_is_nothing() {
    let Some(root) = Root::empty() else { return };
    let project = project();
    let (_dir, file) = executable(project.path(), &[]);
    let read = "import pkgutil, helper, sys
print(helper.NAME, helper.__spec__.origin, sys.modules['helper'].__loader__.get_code('helper').co_filename)";
    // From memory: nothing can be written.
    let root = root.program(&file).read_only();
    let done = root.start(["python", "-c", read]).run().expect_success();
    assert_eq!(
        done.stdout,
        "first /rgunicorn/helper.py /rgunicorn/helper.py"
    );
    let server = root.server([""; 0]).spawn();
    let answer = server.target().get("/");
    assert_eq!(answer.status, 500, "files cannot be opened by their path");
    let log = server.stderr.so_far();
    assert!(log.contains("in memory"), "{log}");
    assert!(!log.contains("compiles the modules anew"), "{log}");
    drop(server);
    // Unpacked below a /tmp that nothing may be executed from.
    let Some(root) = Root::empty() else { return };
    let root = root.program(&file).with_tmp().read_only();
    let server = root.server([""; 0]).spawn();
    assert_eq!(server.target().get("/").ok(), "first some words");
}

#[test]
fn an_executable_whose_site_was_cut_off_says_so() {
    let project = project();
    let (dir, file) = executable(project.path(), &[]);
    let stripped = dir.path().join("stripped");
    let strip = Start::program("strip", ["-o"])
        .args([&stripped, &file])
        .run();
    assert_eq!(strip.code, 0, "{}", strip.stderr);
    let short = dir.path().join("short");
    let bytes = fs::read(&file).unwrap();
    fs::write(&short, &bytes[..bytes.len() - 30]).unwrap();
    let more = dir.path().join("more");
    fs::write(&more, [&bytes[..], b"#"].concat()).unwrap();
    for (file, sentence) in [
        (&stripped, "the site that was packed into it is gone"),
        (&short, "is no whole archive"),
        (&more, "is no whole archive"),
    ] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        for args in [&[][..], &["python", "-c", "1"]] {
            let done = Start::program(file, args).cwd("/").run();
            assert_eq!(done.code, 1, "{}", done.stderr);
            assert!(done.stderr.contains(sentence), "{}", done.stderr);
        }
        let done = Start::new(["unpack"])
            .args([file, &dir.path().join("back")])
            .run();
        assert_eq!(done.code, 1);
        assert!(!dir.path().join("back").exists());
    }
}

#[test]
fn a_packed_executable_packs_others_without_its_own_site() {
    let one = project();
    let (_dir, file) = executable(one.path(), &[]);
    let two = folder();
    write(
        two.path(),
        "wsgi.py",
        "def application(environ, start_response):
    start_response('200 OK', [])\n    return [b'another']\n",
    );
    let again = file.with_file_name("again");
    Start::program(&file, ["pack", "-o"])
        .args([&again])
        .cwd(two.path())
        .run()
        .expect_success();
    assert_eq!(serve(&again, &[]).target().get("/").ok(), "another");
    let direct = file.with_file_name("direct");
    pack(two.path(), &["-o", direct.to_str().unwrap()]).expect_success();
    assert!(fs::read(&again).unwrap() == fs::read(&direct).unwrap());
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let one = project();
    write(one.path(), "static/größe.txt", "x");
    let (_dir, file) = executable(one.path(), &[]);
    let zip = file.with_extension("zip");
    pack(one.path(), &["-o", zip.to_str().unwrap()]).expect_success();

    // Another folder, another order, other times and rights, another user's habits.
    let two = folder();
    let there = two.path().join("deeper/shop 2");
    for path in [
        "static/größe.txt",
        "helper.py",
        "tool.sh",
        "data/words.txt",
        "app.py",
    ] {
        let to = there.join(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(one.path().join(path), &to).unwrap();
        let opened = File::options().write(true).open(&to).unwrap();
        opened.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(there.join("app.py"), mode).unwrap();
    write(&there, "__pycache__/app.cpython-313.pyc", "old");
    let again = |to: &Path| {
        let script = "umask 077; exec \"$@\"";
        Start::program("sh", ["-c", script, "sh"])
            .args([
                crate::support::program().as_os_str(),
                "pack".as_ref(),
                "-o".as_ref(),
            ])
            .args([to, &there])
            .cwd("/")
            .env("HOME", two.path())
            .env("TZ", "Asia/Tokyo")
            .env("LC_ALL", "C")
            .env("PYTHONHASHSEED", "77")
            .env("TMPDIR", two.path())
            .run()
            .expect_success();
    };
    let other = two.path().join("other");
    again(&other);
    assert!(fs::read(&other).unwrap() == fs::read(&file).unwrap());
    let other = two.path().join("other.zip");
    again(&other);
    assert!(fs::read(&other).unwrap() == fs::read(&zip).unwrap());

    let later = two.path().join("later.zip");
    Start::new(["pack", "-o"])
        .args([&later])
        .cwd(one.path())
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .run()
        .expect_success();
    let code = "import sys, zipfile
print({it.date_time[:3] for it in zipfile.ZipFile(sys.argv[1]).infolist()})";
    let times = site::python(["-c", code])
        .args([&later])
        .run()
        .expect_success();
    assert_eq!(times.stdout, "{(2023, 11, 14)}");
}

#[test]
fn what_is_never_wanted_stays_out_and_patterns_count() {
    let project = project();
    for path in [
        ".git/config",
        ".venv/pyvenv.cfg",
        ".venv/lib/x.py",
        "env2/pyvenv.cfg",
        "node_modules/x/index.js",
        "built/page.html",
        "sub/.gitignore",
        "sub/local.txt",
        "notes.txt~",
        "db.sqlite3",
        "db.sqlite3-wal",
        ".env",
        ".env.example",
        "logs/a.log",
        "logs/keep.log",
        "wide.bin",
    ] {
        write(project.path(), path, "x");
    }
    write(project.path(), ".gitignore", "built/\n*.log\n!keep.log\n");
    write(project.path(), "sub/.gitignore", "local.txt\n");
    let zip = project.path().join("old.zip");
    let output = ["-o", "old.zip", "--exclude", "*.bin", "--exclude", "/data"];
    let done = pack(project.path(), &output).expect_success();
    for name in [".env", "db.sqlite3", "db.sqlite3-wal"] {
        assert!(done.stderr.contains(name), "{}", done.stderr);
    }
    let expected = [
        "rgunicorn.json",
        ".env.example",
        ".gitignore",
        "__pycache__/app.cpython-313.pyc",
        "__pycache__/helper.cpython-313.pyc",
        "app.py",
        "helper.py",
        "logs/keep.log",
        "sub/.gitignore",
        "tool.sh",
    ];
    assert_eq!(names(&zip), expected);
    // What was packed before is not packed again; what is asked for comes in.
    let include = [
        "-o",
        "new.zip",
        "--include",
        "built/",
        "--include",
        "db.sqlite3",
    ];
    pack(project.path(), &include).expect_success();
    let found = names(&project.path().join("new.zip"));
    for name in ["built/page.html", "db.sqlite3", "wide.bin"] {
        assert!(found.iter().any(|it| it == name), "{name}: {found:?}");
    }
    for name in ["old.zip", "new.zip", ".env"] {
        assert!(!found.iter().any(|it| it == name), "{name}: {found:?}");
    }
}

#[test]
fn links_inside_the_project_are_files_and_others_are_refused() {
    let project = project();
    symlink("data/words.txt", project.path().join("link.txt")).unwrap();
    symlink("data", project.path().join("more")).unwrap();
    pack(project.path(), &["-o", "shop.zip"]).expect_success();
    let found = names(&project.path().join("shop.zip"));
    for name in ["link.txt", "more/words.txt"] {
        assert!(found.iter().any(|it| it == name), "{name}: {found:?}");
    }
    symlink("/etc/hostname", project.path().join("host")).unwrap();
    let done = pack(project.path(), &["-o", "shop.zip"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("'host' is a link that leads out"),
        "{}",
        done.stderr
    );
    pack(project.path(), &["-o", "shop.zip", "--exclude", "host"]).expect_success();
    symlink("nowhere", project.path().join("broken")).unwrap();
    let done = pack(project.path(), &["-o", "shop.zip", "--exclude", "host"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("broken"), "{}", done.stderr);
}

#[test]
fn what_cannot_be_packed_is_one_sentence_and_leaves_nothing() {
    let project = project();
    write(project.path(), "pyproject.toml", "[project]\nname = 'x\n");
    let refused = |args: &[&str], sentence: &str| {
        let done = pack(project.path(), args);
        assert_eq!(done.code, 1, "{args:?}: {}", done.stdout);
        assert!(done.stderr.contains(sentence), "{args:?}: {}", done.stderr);
        assert!(!done.stderr.contains("Traceback"), "{}", done.stderr);
    };
    refused(&["-o", "x.zip"], "pyproject.toml is wrong in line 2");
    write(
        project.path(),
        "pyproject.toml",
        "[tool.rgunicorn.pack]\nincluded = 1\n",
    );
    refused(&["-o", "x.zip"], "unknown field `included`");
    write(
        project.path(),
        "pyproject.toml",
        "[tool.rgunicorn]\nwrokers = 1\n",
    );
    refused(&["-o", "x.zip"], "did you mean 'workers'?");
    fs::remove_file(project.path().join("pyproject.toml")).unwrap();
    refused(
        &["-o", "x.zip", "--set", "workers"],
        "write it as NAME=VALUE",
    );
    refused(
        &["-o", "x.zip", "--set", "workers=many"],
        "Invalid value for workers",
    );
    refused(&["-o", "x.zip", "--set", "venv=/x"], "cannot be packed");
    refused(&["-o", "data"], "'data' is a folder");
    refused(&["-o", "app.py/x"], "cannot be written");
    refused(&["nowhere"], "The project's folder 'nowhere'");
    refused(&["app.py"], "is no folder");
    fs::remove_file(project.path().join("app.py")).unwrap();
    refused(&["-o", "x.zip"], "No application module specified");
    let mut left: Vec<_> = fs::read_dir(project.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["data", "helper.py", "tool.sh"]);
}

#[test]
fn a_full_disk_leaves_nothing() {
    let project = project();
    let big = File::create(project.path().join("big.bin")).unwrap();
    let noise = File::open("/dev/urandom").unwrap();
    std::io::copy(&mut noise.take(4 << 20), &mut &big).unwrap();
    let dir = folder();
    let script = "mount -t tmpfs -o size=1m none \"$1\" && cd \"$2\" && \
                  { \"$3\" pack -o \"$1/x.zip\"; code=$?; ls -A \"$1\"; exit $code; }";
    let done = Start::program("unshare", ["-m", "sh", "-c", script, "sh"])
        .args([dir.path(), project.path(), &crate::support::program()])
        .run();
    if done.stderr.contains("unshare") || done.stderr.contains("mount:") {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("No space left"), "{}", done.stderr);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_file_that_is_another_has_another_time() {
    // Servers of static files tell browsers by time and size what is still right.
    let project = project();
    let zip = project.path().join("shop.zip");
    let time = || {
        pack(project.path(), &["-o", "shop.zip"]).expect_success();
        let code = "import sys, zipfile
print(zipfile.ZipFile(sys.argv[1]).getinfo('data/words.txt').date_time)";
        let told = site::python(["-c", code]).args([&zip]).run();
        told.expect_success().stdout
    };
    let first = time();
    assert_eq!(time(), first);
    write(project.path(), "data/words.txt", "SOME WORDS");
    assert_ne!(time(), first);
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
fn what_a_pack_wrote_is_not_packed_the_next_time() {
    let project = project();
    let args = [
        "-o",
        "shop.zip",
        "--image",
        "shop.tar",
        "--sbom",
        "list.json",
    ];
    let bytes = || {
        pack(project.path(), &args).expect_success();
        ["shop.zip", "shop.tar", "list.json"]
            .map(|name| fs::read(project.path().join(name)).unwrap())
    };
    assert!(bytes() == bytes());
}

#[test]
fn what_would_not_be_served_is_not_made() {
    let refused = |make: &dyn Fn(&Path), sentence: &str| {
        let project = project();
        make(project.path());
        let done = pack(project.path(), &["-o", "shop.zip"]);
        assert_eq!(done.code, 1, "{}", done.stdout);
        assert!(done.stderr.contains(sentence), "{}", done.stderr);
        assert!(!project.path().join("shop.zip").exists());
    };
    refused(
        &|project| {
            let zeros = File::create(project.join("zeros.bin")).unwrap();
            zeros.set_len(200 << 20).unwrap();
        },
        "as only a zip bomb's would",
    );
    refused(
        &|project| {
            let huge = File::create(project.join("huge.png")).unwrap();
            huge.set_len(5 << 30).unwrap();
        },
        "'huge.png' with 5.4 GB",
    );
    refused(
        &|project| {
            write(
                project,
                "pyproject.toml",
                "[tool.rgunicorn.pack]\nsbom = '../list.json'\n",
            )
        },
        "'../list.json' written outside the project",
    );
}

#[test]
fn outputs_are_files_of_their_own() {
    let project = project();
    write(
        project.path(),
        "pyproject.toml",
        "[project]\nname = '../../evil'\n",
    );
    let refused = |args: &[&str], sentence: &str| {
        let done = pack(project.path(), args);
        assert_eq!(done.code, 1, "{args:?}: {}", done.stdout);
        assert!(done.stderr.contains(sentence), "{args:?}: {}", done.stderr);
    };
    refused(
        &[],
        "No file can be called after the project's name '../../evil'",
    );
    refused(&["-o", "app.py"], "'app.py' is a file of the project");
    refused(&["-o", "x.zip", "--sbom", "./x.zip"], "two things to write");
    refused(&["-o", "x.tar"], "name an image by --image");
    refused(&["-o", "-"], "'-' is no file");
    refused(&["-o", "/dev/full"], "'/dev/full' is no file");
    let app = fs::read_to_string(project.path().join("app.py")).unwrap();
    assert_eq!(app, APP);
}

#[test]
fn links_that_cannot_be_packed_can_be_left_out() {
    let project = project();
    symlink(".", project.path().join("loop")).unwrap();
    symlink("nowhere", project.path().join("gone")).unwrap();
    symlink("nobody@host.1", project.path().join(".#app.py")).unwrap();
    let done = pack(project.path(), &["-o", "shop.zip"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("leave it out by --exclude"),
        "{}",
        done.stderr
    );
    let args = ["-o", "shop.zip", "--exclude", "loop", "--exclude", "gone"];
    pack(project.path(), &args).expect_success();
}

#[test]
fn a_link_to_a_secret_is_one() {
    let project = project();
    write(project.path(), ".env", "KEY=secret");
    symlink(".env", project.path().join("config.txt")).unwrap();
    let done = pack(project.path(), &["-o", "shop.zip"]).expect_success();
    assert!(done.stderr.contains("config.txt"), "{}", done.stderr);
    let found = names(&project.path().join("shop.zip"));
    assert!(!found.iter().any(|it| it == "config.txt"), "{found:?}");
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

#[test]
fn words_in_the_wrong_order_are_told() {
    let project = project();
    let done = Start::new(["shop", "pack"]).cwd(project.path()).run();
    assert_eq!(done.code, 2);
    assert!(
        done.stderr
            .contains("'shop' has no place before the word 'pack'"),
        "{}",
        done.stderr
    );
}
