//! Which files of a project are in the pack, and that the same files give the same bytes.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::SystemTime;

use super::{executable, names, pack, project, write};
use crate::support::{Start, folder, site};

#[test]
fn the_same_files_give_the_same_bytes() {
    let one = project();
    write(one.path(), "static/größe.txt", "x");
    let (_dir, file) = executable(one.path(), &[]);
    let zip = file.with_extension("zip");
    pack(one.path(), &["-o", zip.to_str().unwrap()]).expect_success();

    // Another folder, another order, other times and permissions, other settings of the
    // user.
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
    // An earlier pack is not packed; included files are.
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
fn a_file_that_is_another_has_another_time() {
    // Servers of static files tell browsers by time and size whether a copy is still
    // valid.
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
