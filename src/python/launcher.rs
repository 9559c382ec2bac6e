//! The path that is `sys.executable`: Python with the packages of one app.
//!
//! Programs start their own interpreter again by this path. They expect that it
//! is Python with any arguments, and with their own packages. A virtual
//! environment has such a path, `bin/python`. If that is another Python, a link
//! of ours is put beside it. In all other cases there is a folder in the cache
//! that looks like a virtual environment:
//!
//! ```text
//! bin/python    a link to the executable
//! pyvenv.cfg    what the app consists of
//! ```
//! If nothing can be written, the executable's own path is used, with a mark in
//! it (`/opt/././rgunicorn`), and an environment variable says what the app
//! consists of. Only a process that is started by such a path reads the
//! variable.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process;

use ring::digest::{SHA256, digest};

use super::{Environment, executable};
use crate::cache;

/// The file by which a virtual environment, or a folder of a launcher, is
/// recognised (PEP 405).
pub(super) const CONFIGURATION: &str = "pyvenv.cfg";

/// The variable with the text of a [`CONFIGURATION`] that could not be written.
const VARIABLE: &str = "RGUNICORN_PYTHON";

/// The mark: a path with it leads to the same file.
const MARK: &[u8] = b"/././";

// Keys that only a launcher's configuration has.
const IS_LAUNCHER: &str = "rgunicorn";
const APP: &str = "rgunicorn-app";
const SITE_PACKAGES: &str = "rgunicorn-site-packages";
const PREFIX: &str = "rgunicorn-prefix";

/// The path that is Python with this environment. It is made if it does not
/// exist.
pub(super) fn path(environment: &Environment) -> PathBuf {
    if let Some(called) = &environment.executable {
        return called.clone();
    }
    if let Some(python) = of_venv(environment) {
        return python;
    }
    let description = describe(environment);
    let places = environment.launchers.iter().cloned();
    let places: Vec<PathBuf> = places.chain(cache::places("python")).collect();
    match in_cache(&description, &places) {
        Ok(folder) => folder.join("bin/python"),
        Err(_) => marked(&description),
    }
}

/// True for a path that [`path`] has marked.
pub(super) fn is_marked(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let folder = name.iter().rposition(|byte| *byte == b'/');
    folder.is_some_and(|at| name[..=at].ends_with(MARK))
}

/// The environment of a process that was started by a marked path.
pub(super) fn of_marked() -> Environment {
    let text = env::var_os(VARIABLE).unwrap_or_default();
    read(text.as_bytes()).unwrap_or_default()
}

/// The environment in a configuration; nothing if it is the configuration of a
/// virtual environment.
pub(super) fn read(configuration: &[u8]) -> Option<Environment> {
    let mut is_launcher = false;
    let mut environment = Environment::default();
    for line in configuration.split(|byte| *byte == b'\n') {
        let Some(at) = line.windows(3).position(|three| three == b" = ") else {
            continue;
        };
        let (name, value) = (&line[..at], &line[at + 3..]);
        let value = PathBuf::from(OsString::from_vec(in_full(value)));
        match std::str::from_utf8(name) {
            Ok(IS_LAUNCHER) => is_launcher = true,
            Ok(APP) => environment.app = Some(value),
            Ok(SITE_PACKAGES) => environment.site_dirs.push(value),
            Ok(PREFIX) => environment.venv = Some(value),
            _ => {}
        }
    }
    is_launcher.then(|| {
        environment.import_path.extend(environment.app.clone());
        environment
    })
}

/// The link to this file in the virtual environment, if the app needs nothing
/// else.
fn of_venv(environment: &Environment) -> Option<PathBuf> {
    let venv = environment.venv.as_ref()?;
    if environment.app.is_some() {
        return None;
    }
    let python = venv.join("bin/python");
    if executable::leads_here(&python) {
        return Some(python);
    }
    let beside = venv.join("bin/python-rgunicorn");
    if !executable::leads_here(&beside) {
        // Another process may make it at the same time, and use it at once.
        let new = venv.join(format!("bin/.python-rgunicorn.{}", process::id()));
        let made = symlink(executable::path(), &new).and_then(|()| fs::rename(&new, &beside));
        if made.is_err() {
            let _ = fs::remove_file(new);
        }
    }
    executable::leads_here(&beside).then_some(beside)
}

/// The text of a configuration.
fn describe(environment: &Environment) -> Vec<u8> {
    let executable = executable::path();
    let home = executable.parent().unwrap_or(executable);
    let version = OsStr::new(env!("RGUNICORN_PYTHON_VERSION"));
    let mut lines = vec![
        ("home", home.as_os_str()),
        ("executable", executable.as_os_str()),
        ("version", version),
        (IS_LAUNCHER, OsStr::new("launcher")),
    ];
    lines.extend(environment.app.iter().map(|it| (APP, it.as_os_str())));
    let folders = environment.site_dirs.iter();
    lines.extend(folders.map(|it| (SITE_PACKAGES, it.as_os_str())));
    lines.extend(environment.venv.iter().map(|it| (PREFIX, it.as_os_str())));
    let mut text = Vec::new();
    for (name, value) in lines {
        let value = on_one_line(value.as_bytes());
        text.extend([name.as_bytes(), b" = ", &value, b"\n"].concat());
    }
    text
}

/// A value, escaped for a line.
fn on_one_line(value: &[u8]) -> Vec<u8> {
    let escaped = value.iter().map(|byte| match byte {
        b'\n' => b"\\n",
        b'\\' => b"\\\\",
        other => std::slice::from_ref(other),
    });
    escaped.collect::<Vec<&[u8]>>().concat()
}

/// The value of an escaped one.
fn in_full(line: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut bytes = line.iter();
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'n') => b'\n',
                other => *other.unwrap_or(byte),
            },
            other => *other,
        });
    }
    value
}

fn in_cache(text: &[u8], places: &[PathBuf]) -> io::Result<PathBuf> {
    let is_whole = |folder: &Path| {
        fs::read_link(folder.join("bin/python")).is_ok_and(|link| link == executable::path())
            && fs::read(folder.join(CONFIGURATION)).is_ok_and(|there| there == text)
    };
    let fill = |folder: &Path| {
        cache::private_folder(&folder.join("bin"))?;
        symlink(executable::path(), folder.join("bin/python"))?;
        fs::write(folder.join(CONFIGURATION), text)
    };
    let name = cache::hexadecimal(&digest(&SHA256, text).as_ref()[..8]);
    cache::filled(places, &name, is_whole, fill)
}

fn marked(description: &[u8]) -> PathBuf {
    // SAFETY: before the interpreter starts, no other thread uses the
    // environment. Python's threads use a copy of their own.
    unsafe { env::set_var(VARIABLE, OsStr::from_bytes(description)) };
    let path = executable::path().as_os_str().as_bytes();
    let name = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let marked = [&path[..name], MARK, &path[name + 1..]].concat();
    PathBuf::from(OsString::from_vec(marked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_described_is_read_again() {
        let environment = Environment {
            app: Some("/srv/two\nlines\\n".into()),
            site_dirs: vec!["/srv/a b = c".into(), OsString::from_vec(vec![0xff]).into()],
            venv: Some("/srv/env".into()),
            ..Environment::default()
        };
        let again = read(&describe(&environment)).expect("a launcher's");
        assert_eq!(again.app, environment.app);
        assert_eq!(again.import_path, [environment.app.unwrap()]);
        assert_eq!(again.site_dirs, environment.site_dirs);
        assert_eq!(again.venv, environment.venv);
        assert!(read(b"home = /usr/bin\nversion = 3.13.5\n").is_none());
    }

    #[test]
    fn a_mark_is_seen_before_the_name_only() {
        let path = marked(b"");
        assert!(is_marked(path.as_os_str()), "{}", path.display());
        assert_eq!(
            fs::canonicalize(&path).expect("it is there"),
            fs::canonicalize(executable::path()).expect("it is there")
        );
        for name in ["/opt/./rgunicorn", "./rgunicorn", "rgunicorn", "/a/././b/c"] {
            assert!(!is_marked(OsStr::new(name)), "{name}");
        }
    }
}
