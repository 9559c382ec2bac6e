//! `rgunicorn inspect --check`: the app is loaded, and packages are imported.

use std::fs;

use super::{inspect, row};
use crate::support::{Start, app, folder, site};

#[test]
fn an_app_that_does_not_load_is_shown_with_its_traceback() {
    let dir = folder();
    let text = "import os\nassert 'SECRET' in os.environ, 'no secret'\napplication = print";
    let zip = site::small_zip(dir.path(), &[("app.py", text)]);
    let check = || {
        Start::new(["inspect", "--check"])
            .args([&zip])
            .env("TMPDIR", dir.path())
    };
    let done = check().env("SECRET", "x").run();
    assert_eq!(done.code, 1, "{}", done.stdout);
    assert!(
        done.stderr.contains("app.py\", line 2, in <module>"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("AssertionError: no secret"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr
            .contains("Error: The app does not load (exit code 1;"),
        "{}",
        done.stderr
    );
    let given = check()
        .env("GUNICORN_CMD_ARGS", "--env SECRET=x")
        .run()
        .expect_success();
    assert!(given.stdout.contains("The app loads."), "{}", given.stdout);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_checked_is_apart_from_everything() {
    let dir = folder();
    let text = "
import os, socket, sys
def application(environ, start_response): pass
print('home', os.environ['HOME'], 'user', os.environ.get('USER'), file=sys.stderr)
print('network', [name for _, name in socket.if_nameindex()], file=sys.stderr)
open('written', 'w').close()
";
    let zip = site::small_zip(dir.path(), &[("app.py", text)]);
    let done = Start::new(["inspect", "--check"])
        .args([&zip])
        .env("TMPDIR", dir.path())
        .env("USER", "somebody")
        .cwd(dir.path())
        .run()
        .expect_success();
    let home = format!("home {}/", dir.path().display());
    assert!(done.stderr.contains(&home), "{}", done.stderr);
    assert!(done.stderr.contains("/home user None\n"), "{}", done.stderr);
    if done
        .stderr
        .contains("Note: what is checked has the network")
    {
        println!("skipped: the network, as no namespace can be made here");
    } else {
        assert!(done.stderr.contains("network ['lo']"), "{}", done.stderr);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn packages_that_cannot_be_imported_are_named_and_are_no_error() {
    let dir = folder();
    let metadata = "Name: Bad\nVersion: 1\n";
    let record =
        "aborts.py,,\nfine.py,,\nleaves.py,,\nraises.py,,\nprints.py,,\nquits/__init__.py,,\n";
    let files = [
        ("app.py", "def application(environ, start_response): pass"),
        ("site-packages/bad-1.dist-info/METADATA", metadata),
        ("site-packages/bad-1.dist-info/RECORD", record),
        ("site-packages/aborts.py", "import os\nos.abort()"),
        ("site-packages/fine.py", ""),
        ("site-packages/leaves.py", "import sys\nsys.exit(3)"),
        ("site-packages/raises.py", "import no_such_module"),
        ("site-packages/prints.py", "print('\"forged\"', flush=True)"),
        ("site-packages/quits/__init__.py", "import os\nos._exit(5)"),
    ];
    let zip = site::small_zip(dir.path(), &files);
    let report = inspect(&zip, &["--check"], dir.path())
        .expect_success()
        .stdout;
    for (module, trouble) in [
        ("aborts", "it ends the process (SIGABRT)"),
        ("leaves", "SystemExit: 3"),
        (
            "raises",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("quits", "it ends the process (exit code 5)"),
    ] {
        let warning = format!("Warning: Bad 1: {module} cannot be imported: {trouble}\n");
        assert!(report.contains(&warning), "{report}");
    }
    assert!(
        report.ends_with("2 of 6 modules of packages can be imported."),
        "{report}"
    );
}

#[test]
fn the_sites_of_the_tests_are_whole() {
    let dir = folder();
    let report = inspect(&site::zip("django_site"), &["--check"], dir.path());
    let report = report.expect_success().stdout;
    assert!(report.contains("Made by hand"), "{report}");
    assert_eq!(row(&report, "Django ").last(), Some(&"BSD-3-Clause"));
    assert!(report.contains("The app loads."), "{report}");
    assert!(!report.contains("Warning"), "{report}");
    assert!(app("django_site").join("manage.py").is_file());
}
