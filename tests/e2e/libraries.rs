//! Native libraries: loaded, carried, replaced and refused.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Root, Start, app, folder};

/// Compiles `tests/libraries/NAME` to `dir/STEM.so`.
pub fn compile(dir: &Path, name: &str, more: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/libraries")
        .join(name);
    let library = dir.join(name).with_extension("so");
    Start::program("g++", ["-shared", "-fPIC", "-O1", "-w", "-o"])
        .args([&library])
        .args(if name.ends_with(".c") {
            ["-x", "c"]
        } else {
            ["-x", "c++"]
        })
        .args([&source])
        .args(["-x", "none"])
        .args(more)
        .run()
        .expect_success();
    library
}

/// Makes the libraries that `use.py` uses, and `use.py` itself.
fn made(dir: &Path) {
    compile(dir, "throws.cpp", &[]);
    let search = format!("-L{}", dir.display());
    let linked = [
        &*search,
        "-l:throws.so",
        "-Wl,-rpath,$ORIGIN",
        "-Wl,-soname,catches.so",
    ];
    compile(dir, "catches.cpp", &linked);
    compile(dir, "locals.cpp", &[]);
    compile(dir, "choices.c", &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libraries/use.py");
    fs::copy(script, dir.join("use.py")).unwrap();
}

#[track_caller]
fn expect_all_work(start: Start) {
    let done = start.run().expect_success();
    assert_eq!(
        done.stdout, "works: exceptions\nworks: thread_locals\nworks: choices",
        "{}",
        done.stderr
    );
}

#[test]
fn exceptions_thread_locals_and_ifuncs_work_from_a_folder() {
    let Some(root) = Root::empty() else { return };
    let dir = folder();
    made(dir.path());
    let root = root.with(dir.path(), "/native").read_only();
    expect_all_work(root.start(["python", "/native/use.py", "/native"]));
}

#[test]
fn exceptions_thread_locals_and_ifuncs_work_straight_from_a_zip() {
    let Some(root) = Root::empty() else { return };
    let dir = folder();
    made(dir.path());
    let zip = dir.path().join("site.zip");
    Start::new(["python", "-m", "zipfile", "-c"])
        .args([&zip])
        .args([
            "catches.so",
            "choices.so",
            "locals.so",
            "throws.so",
            "use.py",
        ])
        .cwd(dir.path())
        .run()
        .expect_success();
    let root = root.put(zip, "/site.zip").read_only();
    let code = "import sys; sys.argv = ['use', '/site.zip']; import use";
    expect_all_work(root.start(["--app-zip", "/site.zip", "python", "-c", code]));
}

#[test]
fn the_hosts_libraries_are_used_only_when_the_user_says_so() {
    // A library in a folder that the host's ld.so searches by default. The folder is
    // inside the root, so the host is not changed.
    let Some(root) = Root::empty() else { return };
    let dir = folder();
    let library = compile(dir.path(), "choices.c", &[]);
    let root = root.put(library, "/usr/lib/x86_64-linux-gnu/libchoices.so.1");
    let code = "import ctypes; print(ctypes.CDLL('libchoices.so.1').call_choice())";

    let refused = root.start(["python", "-c", code]).run();
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    let why = "libchoices.so.1: cannot open shared object file";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);

    let by_flag = root.start(["--host-libraries", "python", "-c", code]).run();
    assert_eq!(by_flag.expect_success().stdout, "7");

    // Processes that it starts have the same setting. The variable does the same at the
    // start.
    let child = format!(
        "import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', \"{code}\"]))"
    );
    let inherited = root
        .start(["--host-libraries", "python", "-c", &child])
        .run();
    assert_eq!(inherited.expect_success().stdout, r"b'7\n'");
    let root = root.variable("RGUNICORN_HOST_LIBRARIES", "1");
    let by_variable = root.start(["python", "-c", code]).run();
    assert_eq!(by_variable.expect_success().stdout, "7");
}

#[test]
fn the_variable_for_the_hosts_libraries_takes_the_usual_words() {
    const NAME: &str = "RGUNICORN_HOST_LIBRARIES";
    let Some(mut root) = Root::empty() else {
        return;
    };
    let dir = folder();
    let library = compile(dir.path(), "choices.c", &[]);
    root = root.put(library, "/usr/lib/x86_64-linux-gnu/libchoices.so.1");
    let code = "import ctypes; print(ctypes.CDLL('libchoices.so.1').call_choice())";
    for (word, on) in [
        ("1", true),
        ("true", true),
        ("YES", true),
        ("On", true),
        ("0", false),
        ("False", false),
        ("no", false),
        ("off", false),
        ("", false),
    ] {
        // The last variable of this name counts.
        root = root.variable(NAME, word);
        let said = root.start(["python", "-c", code]).run();
        assert_eq!(said.code, i32::from(!on), "{word}: {}", said.stderr);
        // The server's setting has the same value.
        let said = root.start(["--print-config", "none"]).run();
        let line = format!(
            "{:34} = {}",
            "host_libraries",
            if on { "True" } else { "False" }
        );
        assert!(said.stdout.contains(&line), "{word}: {}", said.stdout);
    }
    for word in ["maybe", "2", "tru", "truee", " 1"] {
        root = root.variable(NAME, word);
        let said = root.start(["--version"]).run();
        assert_eq!(said.code, 127, "{word}: {}", said.stdout);
        let sentence = "rgunicorn cannot start: RGUNICORN_HOST_LIBRARIES is neither yes nor no; \
                        take 1, true, yes or on, or 0, false, no or off";
        assert_eq!(said.stderr, sentence);
    }
}

/// Prints the files that are mapped into the process.
const MAPPED: &str = "import socket
socket.getaddrinfo('127.0.0.1', 80)
print(*{line.split(None, 5)[5].strip() for line in open('/proc/self/maps') if '/' in line}, sep='\\n')";

#[test]
fn the_carried_libc_is_the_one_in_use() {
    let maps = Start::new(["python", "-c", MAPPED]).run().expect_success();
    assert!(maps.stdout.contains("/memfd:rgunicorn"), "{}", maps.stdout);
    assert!(!maps.stdout.contains("libc.so.6"), "{}", maps.stdout);
}

#[test]
fn the_c_library_is_not_copied_to_memory() {
    const CODE: &str = "import os
lines = [line.split(None, 5) for line in open('/proc/self/maps')]
program = os.readlink('/proc/self/exe')
print(*[parts[1] for parts in lines if parts[-1].strip() == program and 'x' in parts[1]])";
    let told = Start::new(["python", "-c", CODE]).run().expect_success();
    // Its own code, and that of the library.
    assert_eq!(told.stdout, "r-xp r-xp");
}

#[test]
fn the_loader_can_be_replaced_by_the_users_own() {
    const HOSTS: &str = "/lib64/ld-linux-x86-64.so.2";
    if !Path::new(HOSTS).exists() {
        eprintln!("skipped: this host has no {HOSTS}");
        return;
    }
    let maps = Start::new(["python", "-c", MAPPED])
        .env("RGUNICORN_LOADER", HOSTS)
        .run()
        .expect_success();
    assert!(maps.stdout.contains("libc.so.6"), "{}", maps.stdout);
    assert!(!maps.stdout.contains("/memfd:rgunicorn"), "{}", maps.stdout);

    // It also serves, with workers.
    let server = Start::server(["app", "--workers", "2", "--chdir"])
        .args([app("hello")])
        .env("RGUNICORN_LOADER", HOSTS)
        .spawn();
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn a_loader_that_is_none_is_told_in_a_sentence() {
    let dir = folder();
    let text = dir.path().join("text");
    fs::write(&text, "not a loader").unwrap();
    for (loader, sentence) in [
        (
            "/nowhere/ld.so".as_ref(),
            "the file that RGUNICORN_LOADER names cannot be opened",
        ),
        (
            &*text,
            "the file that RGUNICORN_LOADER names is not a loader",
        ),
    ] {
        let failed = Start::new(["--version"])
            .env("RGUNICORN_LOADER", loader)
            .run();
        assert_eq!(failed.code, 127, "{}", failed.stderr);
        let sentence = format!("rgunicorn cannot start: {sentence}");
        assert!(failed.stderr.starts_with(&sentence), "{}", failed.stderr);
        assert_eq!(failed.stderr.lines().count(), 1, "{}", failed.stderr);
    }
}

#[test]
fn the_carried_libraries_can_be_extracted_for_a_debugger() {
    let dir = folder();
    let target = dir.path().join("libraries");
    let said = Start::new(["--extract-libraries"])
        .args([&target])
        .run()
        .expect_success();
    let written: Vec<_> = said.stdout.lines().map(Path::new).collect();
    assert!(written.contains(&&*target.join("libc.so.6")), "{written:?}");
    for library in written {
        assert!(
            fs::read(library).unwrap().starts_with(b"\x7fELF"),
            "{library:?}"
        );
    }
    // ld.so can load them: the folder has everything that libstdc++ needs.
    let loader = target.join("ld-linux-x86-64.so.2");
    let listed = Start::program("readelf", ["-d"])
        .args([&loader])
        .run()
        .expect_success();
    assert!(
        listed
            .stdout
            .contains("Library soname: [ld-linux-x86-64.so.2]")
    );

    // A folder that cannot be made gives one sentence.
    fs::write(dir.path().join("file"), "").unwrap();
    let failed = Start::new(["--extract-libraries"])
        .args([dir.path().join("file/below")])
        .run();
    assert_eq!(failed.code, 1);
    assert!(
        failed.stderr.contains("The libraries cannot be written to"),
        "{}",
        failed.stderr
    );
}

#[test]
fn licences_name_versions_and_the_bytes_that_were_changed() {
    let told = Start::new(["--licenses"]).run().expect_success().stdout;
    for carried in [
        "glibc",
        "libstdc++",
        "OpenSSL",
        "SQLite",
        "CPython",
        "zlib",
        "expat",
        "libffi",
    ] {
        let line = told
            .lines()
            .find(|line| line.to_lowercase().contains(&carried.to_lowercase()))
            .unwrap_or_else(|| panic!("{carried} is not named"));
        assert!(
            line.contains(|c: char| c.is_ascii_digit()),
            "{line}: no version"
        );
    }
    // The two changes of ld.so, byte for byte.
    assert!(
        told.contains("b8 01 01 00 00 48 89 fe bf 9c ff ff ff 0f 05"),
        "the open call"
    );
    assert!(told.contains("ff 25 00 00 00 00"), "the jump");
    assert!(
        told.contains("/usr/lib/x86_64-linux-gnu/"),
        "the search path"
    );
    assert!(told.contains("RGUNICORN_LOADER="), "how to replace it");
    assert!(
        told.contains("GNU LESSER GENERAL PUBLIC LICENSE"),
        "its licence"
    );
}
