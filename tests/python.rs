//! The interpreter inside, as a person and a program meet it: real processes
//! of the built executable.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const FILE: &str = env!("CARGO_BIN_EXE_rgunicorn");

/// The executable, with nothing of the tester's own Python in its environment.
fn rgunicorn() -> Command {
    command(Path::new(FILE))
}

fn command(file: &Path) -> Command {
    let mut command = Command::new(file);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PYTHON") || name == "VIRTUAL_ENV" {
            command.env_remove(name);
        }
    }
    command
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(name)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Copies the executable. Another process does it: had this one the copy open
/// while another test starts a child, nobody could execute it (ETXTBSY).
fn copy(to: &Path) {
    let done = Command::new("cp").arg(FILE).arg(to).status();
    assert!(done.expect("cp runs").success());
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the executable runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it prints, without the last line end; it has to succeed.
#[track_caller]
fn said(command: &mut Command) -> String {
    let output = run(command);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}\n{out}\n{}",
        output.status,
        stderr(&output)
    );
    out.trim_end().to_owned()
}

/// What `-c code` prints.
#[track_caller]
fn python(code: &str) -> String {
    said(rgunicorn().args(["python", "-c", code]))
}

fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executable runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

mod library {
    use super::*;

    #[test]
    fn every_module_imports_but_the_left_out() {
        said(rgunicorn().arg("python").arg(script("every_module.py")));
    }

    #[test]
    fn it_looks_like_an_installed_one() {
        said(rgunicorn().arg("python").arg(script("looks_installed.py")));
    }

    #[test]
    fn tools_read_its_sources_by_name() {
        said(rgunicorn().arg("python").arg(script("bundled_sources.py")));
    }

    #[test]
    fn each_hard_module_does_a_small_job() {
        said(rgunicorn().arg("python").arg(script("small_jobs.py")));
    }

    #[test]
    fn processes_start_three_ways() {
        said(rgunicorn().arg("python").arg(script("processes.py")));
    }

    #[test]
    fn optimised_code_is_compiled_from_source() {
        let code = "import json; assert 0; print(json.dumps.__doc__, __debug__)";
        assert_eq!(
            said(rgunicorn().args(["python", "-OO", "-c", code])),
            "None False"
        );
    }
}

mod tls {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
        KeyUsagePurpose,
    };

    use super::*;

    /// An authority and its certificate for localhost, and a stranger's.
    fn certificates(dir: &Path) {
        let write = |name: &str, text: String| fs::write(dir.join(name), text).expect("a file");
        let key = || KeyPair::generate().expect("a key");
        let localhost = || {
            let mut wanted = CertificateParams::new(["localhost".to_owned()]).expect("a name");
            // Python asks for it (VERIFY_X509_STRICT).
            wanted.use_authority_key_identifier_extension = true;
            wanted
        };
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let authority = CertifiedIssuer::self_signed(authority, key()).expect("an authority");
        write("ca.pem", authority.pem());
        let good = key();
        write(
            "good.pem",
            localhost()
                .signed_by(&good, &authority)
                .expect("signed")
                .pem(),
        );
        write("good.key", good.serialize_pem());
        let stranger = key();
        write(
            "stranger.pem",
            localhost().self_signed(&stranger).expect("signed").pem(),
        );
        write("stranger.key", stranger.serialize_pem());
    }

    #[test]
    fn a_good_certificate_is_believed_and_bad_ones_are_not() {
        let dir = folder();
        certificates(dir.path());
        said(
            rgunicorn()
                .arg("python")
                .arg(script("handshake.py"))
                .arg(dir.path()),
        );
    }

    #[test]
    fn a_host_without_authorities_gets_ours() {
        let dir = folder();
        certificates(dir.path());
        let one = dir.path().join("ca.pem");
        said(
            rgunicorn()
                .arg("python")
                .arg(script("authorities.py"))
                .env("ONE_AUTHORITY", one),
        );
    }
}

mod command_line {
    use super::*;

    #[test]
    fn code_and_its_arguments() {
        assert_eq!(
            said(rgunicorn().args(["python", "-c", "import sys; print(sys.argv)", "a", "-b"])),
            "['-c', 'a', '-b']"
        );
    }

    #[test]
    fn a_module() {
        let output = with_input(
            rgunicorn().args(["python", "-m", "json.tool", "--compact"]),
            "[1]",
        );
        assert_eq!(output.stdout, b"[1]\n");
    }

    #[test]
    fn a_script_sees_its_own_folder_first() {
        let dir = folder();
        fs::write(dir.path().join("neighbour.py"), "value = 7").expect("a module");
        let main = dir.path().join("main.py");
        let code = "import neighbour, sys; print(neighbour.value, sys.argv[1:], __name__)";
        fs::write(&main, code).expect("a script");
        assert_eq!(
            said(rgunicorn().arg("python").arg(&main).arg("x")),
            "7 ['x'] __main__"
        );
    }

    #[test]
    fn a_folder_and_a_zip_with_a_main() {
        let dir = folder();
        let main = dir.path().join("app");
        fs::create_dir(&main).expect("a folder");
        fs::write(main.join("__main__.py"), "import other; print(other.value)").expect("a file");
        fs::write(main.join("other.py"), "value = 'here'").expect("a file");
        assert_eq!(said(rgunicorn().arg("python").arg(&main)), "here");
        let zipped = dir.path().join("app.pyz");
        said(
            rgunicorn()
                .args(["python", "-m", "zipapp", "-o"])
                .arg(&zipped)
                .arg(&main),
        );
        assert_eq!(said(rgunicorn().arg("python").arg(&zipped)), "here");
    }

    #[test]
    fn standard_input() {
        for words in [&["python", "-"][..], &["python"], &["-"]] {
            let output = with_input(rgunicorn().args(words), "print(6 * 7)");
            assert_eq!(output.stdout, b"42\n", "{words:?}: {}", stderr(&output));
        }
    }

    #[test]
    fn its_options() {
        let flags = "import sys; print(sys.flags.dont_write_bytecode, sys.flags.optimize, \
                     sys.warnoptions, sys._xoptions, sys.flags.isolated)";
        assert_eq!(
            said(rgunicorn().args(["python", "-B", "-O", "-Wignore", "-Xa=b", "-c", flags])),
            "1 1 ['ignore'] {'a': 'b'} 0"
        );
        assert_eq!(
            said(rgunicorn().args(["python", "-I", "-c", "import sys; print(sys.path[0])"])),
            python("import sys; print(sys.path[1])")
        );
        assert_eq!(
            said(rgunicorn().args(["python", "-S", "-c", "print('quit' in dir(__builtins__))"])),
            "False"
        );
        assert!(said(rgunicorn().args(["python", "--version"])).starts_with("Python 3."));
        assert!(said(rgunicorn().args(["python", "-h"])).starts_with("usage: "));
        let unknown = run(rgunicorn().args(["python", "--nonsense"]));
        assert_eq!(unknown.status.code(), Some(2));
    }

    #[test]
    fn exit_codes() {
        let code = |code: &str| run(rgunicorn().args(["python", "-c", code])).status.code();
        assert_eq!(code("pass"), Some(0));
        assert_eq!(code("raise SystemExit(7)"), Some(7));
        assert_eq!(code("raise SystemExit('sorry')"), Some(1));
        assert_eq!(code("1 / 0"), Some(1));
        let missing = run(rgunicorn().args(["python", "/nowhere/x.py"]));
        assert_eq!(missing.status.code(), Some(2));
    }

    #[test]
    fn an_interrupt_is_a_keyboard_interrupt() {
        use std::os::unix::process::ExitStatusExt;
        let code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)";
        // The tester may run in the background, where the signal is ignored.
        let mut python = command(Path::new("env"));
        python.args(["--default-signal=INT", FILE, "python", "-c", code]);
        let output = run(&mut python);
        assert_eq!(output.status.signal(), Some(libc::SIGINT));
        assert!(stderr(&output).contains("KeyboardInterrupt"));
    }

    #[test]
    fn an_unknown_module_is_one_sentence() {
        let output = run(rgunicorn().args(["python", "-m", "no_such"]));
        let text = stderr(&output);
        assert!(
            text.ends_with("/bin/python: No module named no_such\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_traceback_shows_the_librarys_lines() {
        let output = run(rgunicorn().args(["python", "-c", "import json; json.loads('{')"]));
        let text = stderr(&output);
        assert!(text.contains("return _default_decoder.decode(s)"), "{text}");
        assert!(text.contains(&format!("{FILE}/lib/python3.")), "{text}");
    }
}

mod isolation {
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
        let expected = format!("{root}/lib/python3.13\n{root}/lib/fallback\n{root}\n{root}")
            .replace(
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
}

mod acts_as_python {
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
        // What cannot be executed is passed over.
        let before = dir.path().join("before");
        fs::create_dir(&before).expect("a folder");
        fs::write(before.join("python3"), "").expect("a file");
        let mut found = command(Path::new("python3"));
        let path = format!("{}:{}", before.display(), dir.path().display());
        found.args(["-c", code]).env("PATH", path);
        assert_eq!(said(&mut found), link.display().to_string());
        assert!(said(command(&link).arg("-V")).starts_with("Python 3."));
    }

    /// As a Python does; the commands of the server do not (mod isolation).
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
        // Development mode shows what is left open.
        let code = "open('/dev/null')";
        let output = run(rgunicorn().args(["python", "-X", "dev", "-c", code]));
        assert!(stderr(&output).contains("ResourceWarning: unclosed file"));
    }

    #[test]
    fn a_replaced_file_still_knows_itself() {
        let dir = folder();
        let file = dir.path().join("rgunicorn");
        copy(&file);
        let code =
            "import os, sys; os.unlink(sys._base_executable); import json; print(json.__file__)";
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
}

mod virtual_environments {
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
        // The environment is named by a way that leads through another folder.
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
        // Where that is another Python, our own stands beside it.
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
}
