//! What the interpreter does not read from its surroundings.

use super::*;

/// A copy of the executable in a folder with an attacker's files.
fn copied(dir: &Path) -> PathBuf {
    let bin = dir.join("bin");
    fs::create_dir(&bin).expect("bin");
    let file = bin.join("rgunicorn");
    if fs::hard_link(FILE, &file).is_err() {
        copy(&file);
    }
    file
}

const PATH: &str = "import sys; print(*sys.path[1:], sys.prefix, sys.base_prefix, sep='\\n')";

#[test]
fn files_beside_the_executable_are_not_read() {
    let dir = folder();
    let file = copied(dir.path());
    let evil = dir.path().join("evil");
    let packages = dir.path().join("lib/python3.13/site-packages");
    for place in [
        &evil,
        &packages,
        &dir.path().join("lib/python3.13/lib-dynload"),
    ] {
        fs::create_dir_all(place).expect("a folder");
        for name in ["sitecustomize.py", "usercustomize.py", "evil.py", "os.py"] {
            fs::write(place.join(name), "raise SystemExit('injected')").expect("a file");
        }
        fs::write(place.join("evil.pth"), "import evil").expect("a file");
    }
    fs::write(
        dir.path().join("lib/python3.13/os.py"),
        "raise SystemExit('x')",
    )
    .expect("os");
    let configuration = format!("home = {0}\nversion = 3.13.5\n", evil.display());
    fs::write(dir.path().join("pyvenv.cfg"), &configuration).expect("pyvenv.cfg");
    fs::write(dir.path().join("bin/pyvenv.cfg"), &configuration).expect("pyvenv.cfg");
    for name in [
        "rgunicorn._pth",
        "python._pth",
        "python313._pth",
        "pybuilddir.txt",
    ] {
        let path = dir.path().join("bin").join(name);
        fs::write(path, evil.display().to_string()).expect("a file");
    }
    let paths = said(command(&file).args(["python", "-c", PATH]));
    let root = file.display();
    let expected = format!("{root}/lib/python3.13\n{root}/lib/fallback\n{root}\n{root}").replace(
        "python3.13",
        &format!(
            "python{}",
            python("import sys; print('%d.%d' % sys.version_info[:2])")
        ),
    );
    assert_eq!(paths, expected);
}

#[test]
fn the_environment_injects_nothing() {
    let dir = folder();
    for name in [
        "sitecustomize.py",
        "usercustomize.py",
        "json.py",
        "startup.py",
    ] {
        fs::write(dir.path().join(name), "raise SystemExit('injected')").expect("a file");
    }
    let user = dir.path().join(".local/lib/python3.13/site-packages");
    fs::create_dir_all(&user).expect("a user's site-packages");
    fs::write(
        user.join("usercustomize.py"),
        "raise SystemExit('injected')",
    )
    .expect("a file");
    let evil = dir.path().as_os_str();
    let paths = said(
        rgunicorn()
            .args(["python", "-c", &format!("import json; {PATH}")])
            .env("PYTHONPATH", evil)
            .env("PYTHONHOME", evil)
            .env("PYTHONPLATLIBDIR", evil)
            .env("PYTHONUSERBASE", dir.path().join(".local"))
            .env("PYTHONEXECUTABLE", "/evil")
            .env("PYTHONSTARTUP", dir.path().join("startup.py"))
            .env("PYTHONINSPECT", "1")
            .env("PYTHONBREAKPOINT", "evil.run")
            .env("PYTHONWARNINGS", "error::evil.Evil")
            .env("HOME", evil)
            .stdin(Stdio::null()),
    );
    assert!(!paths.contains(&*evil.to_string_lossy()), "{paths}");
}

#[test]
fn unbuffered_output_and_no_bytecode_may_be_asked_for() {
    let code = "import sys; print(sys.dont_write_bytecode, sys.stdout.write_through)";
    assert_eq!(python(code), "False False");
    let mut asked = rgunicorn();
    asked.args(["python", "-c", code]);
    asked
        .env("PYTHONUNBUFFERED", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    assert_eq!(said(&mut asked), "True True");
}
