//! The interpreter in the executable, as people and programs use it: real processes.

mod acts_as_python;
mod isolation;
mod virtual_environments;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const FILE: &str = env!("CARGO_BIN_EXE_rgunicorn");

/// The executable, without settings for other Pythons in its environment.
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

/// Copies the executable. Another process does the copying: if this process had the
/// copy open while another test starts a child, nobody could execute the copy
/// (ETXTBSY).
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

/// Its output without the last newline; it must succeed.
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

/// The output of `-c code`.
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

    /// A certificate authority with its certificate for localhost, and one that is not
    /// trusted.
    fn certificates(dir: &Path) {
        let write = |name: &str, text: String| fs::write(dir.join(name), text).expect("a file");
        let key = || KeyPair::generate().expect("a key");
        let localhost = || {
            let mut wanted = CertificateParams::new(["localhost".to_owned()]).expect("a name");
            // Python requires it (VERIFY_X509_STRICT).
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
        let untrusted = key();
        write(
            "untrusted.pem",
            localhost().self_signed(&untrusted).expect("signed").pem(),
        );
        write("untrusted.key", untrusted.serialize_pem());
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
        // In a background job the signal is ignored.
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
