//! The executable is used where programs expect a Python.

use super::*;

#[test]
fn the_executable_is_its_own_interpreter() {
    let file = fs::canonicalize(FILE).expect("it is there");
    let executable = python("import sys; print(sys.executable)");
    assert!(executable.ends_with("/bin/python"), "{executable}");
    assert_eq!(fs::canonicalize(executable).expect("it is there"), file);
    assert_eq!(said(rgunicorn().args(["-c", "print(1 + 1)"])), "2");
    assert_eq!(said(rgunicorn().args(["-B", "-c", "print(1 + 1)"])), "2");
    let started = "import subprocess, sys; \
                   print(subprocess.check_output([sys.executable, '-c', 'print(5)']))";
    assert_eq!(python(started), r"b'5\n'");
}

#[test]
fn a_link_called_python_is_python() {
    let dir = folder();
    let link = dir.path().join("python3");
    symlink(FILE, &link).expect("a link");
    let code = "import sys; print(sys.executable)";
    assert_eq!(
        said(command(&link).args(["-c", code])),
        link.display().to_string()
    );
    // A file that cannot be executed is skipped.
    let before = dir.path().join("before");
    fs::create_dir(&before).expect("a folder");
    fs::write(before.join("python3"), "").expect("a file");
    let mut found = command(Path::new("python3"));
    let path = format!("{}:{}", before.display(), dir.path().display());
    found.args(["-c", code]).env("PATH", path);
    assert_eq!(said(&mut found), link.display().to_string());
    assert!(said(command(&link).arg("-V")).starts_with("Python 3."));
}

/// As Python does; the commands of the server do not (mod isolation).
#[test]
fn who_is_called_python_reads_pythons_variables() {
    let dir = folder();
    let link = dir.path().join("python3");
    symlink(FILE, &link).expect("a link");
    let more = dir.path().join("more");
    fs::create_dir(&more).expect("a folder");
    fs::write(more.join("found.py"), "word = 'found'").expect("a module");
    fs::write(
        more.join("sitecustomize.py"),
        "import builtins; builtins.customized = True",
    )
    .expect("a module");
    let code = "import builtins, sys; print(hasattr(builtins, 'customized'), \
                sys.warnoptions, hash('a'), sys.flags.dev_mode)";
    let asked = |options: &[&str]| {
        let mut python = command(&link);
        python.args(options).args(["-c", code]);
        python
            .env("PYTHONPATH", &more)
            .env("PYTHONHASHSEED", "5")
            .env("PYTHONDEVMODE", "1")
            .env("PYTHONHOME", "/nowhere")
            .env("PYTHONWARNINGS", "error");
        said(&mut python)
    };
    let found = "True ['default', 'error'] -3242440559064031509 True";
    assert_eq!(asked(&[]), found);
    for option in ["-E", "-I"] {
        let told = asked(&[option]);
        assert!(told.starts_with("False [] "), "{told}");
        assert!(told.ends_with(" False"), "{told}");
    }
    let mut python = command(&link);
    python.args(["-c", "import found; print(found.word)"]);
    assert_eq!(said(python.env("PYTHONPATH", &more)), "found");
}

#[test]
fn options_of_the_interpreter_count() {
    for (option, expected) in [
        ("dev", "True True 4300 None 0"),
        ("faulthandler", "False True 4300 None 0"),
        ("int_max_str_digits=5000", "False False 5000 None 0"),
        ("pycache_prefix=/nowhere", "False False 4300 /nowhere 0"),
        ("warn_default_encoding", "False False 4300 None 1"),
    ] {
        let code = "import faulthandler, sys; flags = sys.flags; \
                    print(flags.dev_mode, faulthandler.is_enabled(), \
                          flags.int_max_str_digits, sys.pycache_prefix, \
                          flags.warn_default_encoding)";
        let told = said(rgunicorn().args(["python", "-X", option, "-c", code]));
        assert_eq!(told, expected, "{option}");
    }
    // Development mode reports files that are left open.
    let code = "open('/dev/null')";
    let output = run(rgunicorn().args(["python", "-X", "dev", "-c", code]));
    assert!(stderr(&output).contains("ResourceWarning: unclosed file"));
}

#[test]
fn a_replaced_file_still_knows_itself() {
    let dir = folder();
    let file = dir.path().join("rgunicorn");
    copy(&file);
    let code = "import os, sys; os.unlink(sys._base_executable); import json; print(json.__file__)";
    let path = said(command(&file).args(["python", "-c", code]));
    assert!(path.starts_with(&*file.to_string_lossy()), "{path}");
}

#[test]
fn a_path_with_spaces_and_letters_works() {
    let dir = folder();
    let place = dir.path().join("my föld:er");
    fs::create_dir(&place).expect("a folder");
    let file = place.join("r gunicorn");
    copy(&file);
    let code = "import json, os, sys; print(os.path.realpath(sys.executable))";
    assert_eq!(
        said(command(&file).args(["python", "-c", code])),
        file.display().to_string()
    );
}
