//! Decides if this process runs as `python`.
//!
//! Programs start their own interpreter again, as `sys.executable`, with
//! arguments of CPython: `multiprocessing` does, and every reloader. Such a
//! command line is recognised by its form, never by a mark in the environment,
//! which other child processes would inherit.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Environment, VenvError, executable, launcher, venv_site_packages};

/// A command line that asks for the interpreter.
#[derive(Debug)]
pub struct Invocation {
    /// The arguments of CPython's own command line.
    pub arguments: Vec<OsString>,
    /// The virtual environment in which the process was started, if there is
    /// one.
    pub environment: Environment,
    /// True if only the form of the arguments shows it, not the program's name.
    pub by_shape: bool,
}

impl Invocation {
    /// Parses the whole command line, with the program's name; nothing if it is
    /// the server's.
    ///
    /// # Errors
    /// The program is the `python` of a virtual environment for another
    /// version.
    pub fn from_command_line(line: &[OsString]) -> Result<Option<Invocation>, VenvError> {
        let Some((name, words)) = line.split_first() else {
            return Ok(None);
        };
        let (environment, by_shape) = if launcher::is_marked(name) {
            (by_name(launcher::of_marked()), false)
        } else if executable::is_python_name(name) {
            (by_name(called()?), false)
        } else if is_python_shape(words) {
            (Environment::default(), true)
        } else {
            return Ok(None);
        };
        Ok(Some(Invocation {
            arguments: words.to_vec(),
            by_shape,
            environment: Environment {
                install_signal_handlers: true,
                ..environment
            },
        }))
    }
}

/// With Python's name, Python's variables are read.
fn by_name(environment: Environment) -> Environment {
    Environment {
        reads_variables: true,
        ..environment
    }
}

/// `bin/python` of a virtual environment is a link to this file. To call it
/// asks for that environment. The link must lead here.
fn called() -> Result<Environment, VenvError> {
    let Some(called) = executable::called_as().filter(|path| executable::leads_here(path)) else {
        return Ok(Environment::default());
    };
    let mut environment = Environment::default();
    if let Some(dir) = called.parent().and_then(Path::parent)
        && let Ok(configuration) = fs::read(dir.join(launcher::CONFIGURATION))
    {
        environment = match launcher::read(&configuration) {
            Some(described) => described,
            None => Environment {
                site_dirs: venv_site_packages(dir)?,
                venv: Some(dir.to_owned()),
                ..environment
            },
        };
    }
    environment.executable = Some(called);
    Ok(environment)
}

/// True for arguments that only Python can have.
fn is_python_shape(words: &[OsString]) -> bool {
    let Some((first, rest)) = words.split_first() else {
        return false;
    };
    let next = rest.first().and_then(|word| word.to_str());
    match first.to_str() {
        Some("-") => true,
        // -c is the server's configuration file, -m its umask.
        Some("-c") => next.is_some_and(is_code),
        Some("-m") => next.is_some_and(is_module),
        // -u, -b and -v belong to both: the next argument decides.
        Some("-u" | "-b" | "-bb" | "-v") => is_python_shape(rest),
        Some(option) if option.starts_with('-') => is_python_option(option),
        _ => first.as_bytes().ends_with(b".py") && Path::new(first).is_file(),
    }
}

/// True for source text, false for the name of a config file.
fn is_code(text: &str) -> bool {
    let named = text.starts_with("file:") || text.starts_with("python:");
    let code = text == "pass"
        || text.contains(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | '='));
    code && !named && !Path::new(text).exists()
}

/// True for the name of a module, false for a number.
fn is_module(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

/// True for an option that Python has and the server does not. The first letter
/// decides; more options of Python may follow in the same argument.
fn is_python_option(option: &str) -> bool {
    const ONLY_PYTHON: &str = "BEIOPSVdiqsx";
    const ANY_PYTHON: &str = "BEIOPSVbcdimqsuvx";
    let letters = &option[1..];
    match letters.chars().next() {
        Some('W' | 'X') => true,
        Some(first) => {
            ONLY_PYTHON.contains(first) && letters.chars().all(|c| ANY_PYTHON.contains(c))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(line: &[&str]) -> bool {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        is_python_shape(&words)
    }

    #[test]
    fn what_multiprocessing_says_is_python() {
        let spawn = "from multiprocessing.spawn import spawn_main; spawn_main(pipe_handle=7)";
        assert!(shape(&["-E", "-s", "-c", spawn, "--multiprocessing-fork"]));
        assert!(shape(&["-c", spawn, "--multiprocessing-fork"]));
        assert!(shape(&["-b", "-I", "-c", spawn]));
        assert!(shape(&[
            "-c",
            "from multiprocessing.resource_tracker import main;main(5)"
        ]));
    }

    #[test]
    fn habits_of_people_and_reloaders_are_python() {
        assert!(shape(&["-c", "pass"]));
        assert!(shape(&["-c", "x=1"]));
        assert!(shape(&["-u", "-m", "flask", "run"]));
        assert!(shape(&["-m", "json.tool"]));
        assert!(shape(&["-Im", "ensurepip"]));
        assert!(shape(&["-OO"]));
        assert!(shape(&["-Wignore", "x.py"]));
        assert!(shape(&["-X", "dev"]));
        assert!(shape(&["-"]));
    }

    #[test]
    fn a_script_that_is_there_is_python() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let script = dir.path().join("manage.py");
        let script = script.to_str().expect("a plain path");
        assert!(!shape(&[script]));
        fs::write(script, "").expect("a script");
        assert!(shape(&[script, "migrate"]));
    }

    #[test]
    fn the_servers_options_are_the_servers() {
        assert!(!shape(&[]));
        assert!(!shape(&["app:app"]));
        assert!(!shape(&["-c", "gunicorn.conf.py", "app:app"]));
        assert!(!shape(&["-c", "python:config.gunicorn"]));
        assert!(!shape(&["-c", "file:my conf.py"]));
        assert!(!shape(&["-m", "0o022"]));
        assert!(!shape(&["-m", "18"]));
        assert!(!shape(&["-u", "www-data", "app:app"]));
        assert!(!shape(&["-b", "127.0.0.1:8000"]));
        assert!(!shape(&["-v"]));
        assert!(!shape(&["-w", "4"]));
        assert!(!shape(&["-D"]));
        assert!(!shape(&["--version"]));
        assert!(!shape(&["-h"]));
        assert!(!shape(&["app.py"]));
    }

    #[test]
    fn a_configuration_file_with_a_strange_name_is_not_code() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("my conf (1).py");
        fs::write(&file, "").expect("a file");
        assert!(!shape(&["-c", file.to_str().expect("a plain path")]));
    }
}
