//! The file that says which process the master is.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The master's pid file.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
}

/// Why there is no pid file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Already running on PID {0} (or pid file '{path}' is stale)", path = .1.display())]
    Running(Pid, PathBuf),
    #[error("The pid file '{path}' cannot be written: {1}", path = .0.display())]
    Write(PathBuf, io::Error),
}

impl Pidfile {
    /// Writes the file for this process. It appears whole, with mode 0644.
    ///
    /// # Errors
    /// Another process is alive whose file this is, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if let Some(pid) = owner(path)
            && pid != Pid::this()
            && is_alive(pid)
        {
            return Err(Error::Running(pid, path.to_owned()));
        }
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", Pid::this()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o644);
        let written = options
            .open(&new)
            .and_then(|mut file| writeln!(file, "{}", Pid::this()))
            .and_then(|()| fs::rename(&new, path));
        match written {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
            }),
            Err(error) => {
                let _ = fs::remove_file(new);
                Err(Error::Write(path.to_owned(), error))
            }
        }
    }

    /// One that this process has created, before it executed itself anew.
    pub fn known(path: PathBuf) -> Self {
        Self { path }
    }

    /// The same file under another name.
    pub fn rename(&mut self, path: &Path) {
        match fs::rename(&self.path, path) {
            Ok(()) => path.clone_into(&mut self.path),
            Err(error) => ::log::warn!(
                "The pid file '{}' cannot be renamed: {error}",
                self.path.display()
            ),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, unless it has become another process's.
    pub fn remove(self) {
        if owner(&self.path) == Some(Pid::this()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whose process the file names.
fn owner(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0)?;
    Some(Pid::from_raw(pid))
}

fn is_alive(pid: Pid) -> bool {
    matches!(kill(pid, None), Ok(()) | Err(Errno::EPERM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_renamed_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "not a number").unwrap();
        let mut file = Pidfile::create(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", Pid::this()));
        let other = folder.path().join("other");
        file.rename(&other);
        assert!(!path.exists() && other.exists());
        file.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_file_of_a_living_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        let error = Pidfile::create(&path).unwrap_err().to_string();
        let expected = format!(
            "Already running on PID 1 (or pid file '{}' is stale)",
            path.display()
        );
        assert_eq!(error, expected);
        let foreign = Pidfile { path: path.clone() };
        foreign.remove();
        assert!(path.exists());
    }
}
