//! Virtual environments and pip.

use super::*;

fn made(dir: &Path) -> PathBuf {
    let venv = dir.join("env");
    said(rgunicorn().args(["python", "-m", "venv"]).arg(&venv));
    venv
}

#[test]
fn one_is_made_with_a_working_pip() {
    let dir = folder();
    let venv = made(dir.path());
    let pip = said(command(&venv.join("bin/pip")).arg("--version"));
    assert!(pip.contains(&*venv.to_string_lossy()), "{pip}");
    let pip = said(command(&venv.join("bin/python")).args(["-m", "pip", "--version"]));
    assert!(pip.starts_with("pip "), "{pip}");
    assert!(venv.join("bin/activate").is_file());
    let code = "import sys; print(sys.prefix, sys.executable, sys.prefix != sys.base_prefix)";
    let expected = format!("{0} {0}/bin/python True", venv.display());
    assert_eq!(
        said(command(&venv.join("bin/python")).args(["-c", code])),
        expected
    );
}

#[test]
fn scripts_that_pip_installs_start_the_environments_python() {
    let dir = folder();
    let venv = made(dir.path());
    let project = dir.path().join("project");
    fs::create_dir(&project).expect("a folder");
    let wheel = project.join("hello-1.0-py3-none-any.whl");
    let make = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    info = 'hello-1.0.dist-info/'
    wheel.writestr('hello.py', 'def main(): import sys; print(sys.prefix)')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: hello\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\nhello = hello:main\\n')
    wheel.writestr(info + 'RECORD', '')";
    said(rgunicorn().args(["python", "-c", make]).arg(&wheel));
    // The path of the environment goes through another folder.
    let named = project.join("../env");
    let install = ["python", "-m", "pip", "install", "--quiet", "--no-index"];
    said(
        rgunicorn()
            .arg("--venv")
            .arg(&named)
            .args(install)
            .arg(&wheel),
    );
    let script = venv.join("bin/hello");
    let check = |python: &str| {
        let text = fs::read_to_string(&script).expect("a script");
        let first = format!("#!{}/bin/{python}", venv.display());
        assert_eq!(text.lines().next(), Some(&*first));
        assert_eq!(said(&mut command(&script)), venv.display().to_string());
    };
    check("python");
    // If that is another Python, there is a link to our own beside it.
    fs::remove_file(venv.join("bin/python")).expect("a link");
    copy(&venv.join("bin/python"));
    let again = [&install[..], &["--force-reinstall"]].concat();
    said(rgunicorn().arg("--venv").arg(named).args(again).arg(&wheel));
    check("python-rgunicorn");
}

#[test]
fn its_packages_come_after_the_library_and_pth_files_count() {
    let dir = folder();
    let venv = dir.path().join("env");
    said(
        rgunicorn()
            .args(["python", "-m", "venv", "--without-pip"])
            .arg(&venv),
    );
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let packages = PathBuf::from(said(command(&venv.join("bin/python")).args(["-c", code])));
    let extra = dir.path().join("extra");
    fs::create_dir(&extra).expect("a folder");
    fs::write(packages.join("a.pth"), extra.display().to_string()).expect("a .pth file");
    fs::write(packages.join("json.py"), "raise SystemExit('in the way')").expect("a module");
    fs::write(extra.join("found.py"), "value = 'by pth'").expect("a module");
    let code = "import found, json, sys; \
                print(found.value, sys.path[-1].endswith('fallback'))";
    assert_eq!(
        said(command(&venv.join("bin/python3")).args(["-c", code])),
        "by pth True"
    );
}

#[test]
fn one_of_another_version_is_refused() {
    let dir = folder();
    fs::create_dir(dir.path().join("bin")).expect("bin");
    symlink(FILE, dir.path().join("bin/python")).expect("a link");
    fs::write(dir.path().join("pyvenv.cfg"), "version = 3.8.1\n").expect("pyvenv.cfg");
    let output = run(command(&dir.path().join("bin/python")).args(["-c", "pass"]));
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("is for Python 3.8.1"), "{text}");
}

#[test]
fn nothing_is_installed_into_the_file() {
    let output = run(rgunicorn().args(["python", "-m", "ensurepip"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("make a virtual environment"),
        "{}",
        stderr(&output)
    );
}
