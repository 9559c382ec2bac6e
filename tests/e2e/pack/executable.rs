//! Executables with a site in them, and what becomes of the files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use nix::sys::signal::Signal;

use super::{executable, pack, project, serve, write};
use crate::support::{Root, Start, folder, wait_until};

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
    // A link with this name means the interpreter.
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

    // An executable without a site changes nothing.
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
    // In memory: nothing can be written.
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
    // Unpacked below a /tmp that is mounted noexec.
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
