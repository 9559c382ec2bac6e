//! The file that says which process the master is.
//!
//! The master holds a lock on it (`flock`) as long as it lives. The number in the
//! file is not enough: the system may have given it to another process since. The
//! lock can also be seen where `/proc` cannot.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The master's pid file.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    /// Holds the lock.
    file: Option<File>,
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
    /// Checks whether this process may have the file.
    ///
    /// # Errors
    /// A server is alive whose file this is.
    pub fn check(path: &Path) -> Result<(), Error> {
        match living(path).filter(|_| is_locked(path)) {
            Some(pid) => Err(Error::Running(pid, path.to_owned())),
            None => Ok(()),
        }
    }

    /// Writes the file for this process, with mode 0644. Others see it only when it
    /// is complete.
    ///
    /// # Errors
    /// A server is alive whose file this is, or it cannot be written.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::check(path)?;
        if let Some(pid) = living(path) {
            ::log::warn!(
                "The pid file '{}' is stale: process {pid} is no server that has it; \
                 it is written anew",
                path.display()
            );
        }
        let mut new = path.as_os_str().to_owned();
        new.push(format!(".{}", Pid::this()));
        match write(Path::new(&new), path) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                file: Some(file),
            }),
            Err(error) => {
                let _ = fs::remove_file(new);
                Err(Error::Write(path.to_owned(), error))
            }
        }
    }

    /// The file that this process has created before it executed itself again.
    pub fn known(path: PathBuf) -> Self {
        let file = File::open(&path).ok().filter(lock);
        Self { path, file }
    }

    /// The file at this path, or none, in place of a former one that was
    /// elsewhere. An error is logged.
    pub fn moved(former: Option<Self>, path: Option<&Path>) -> Option<Self> {
        if former.as_ref().map(Self::path) == path {
            return former;
        }
        // The new one first: there is a file at any time.
        let created = path.map(Self::create).transpose();
        former.into_iter().for_each(Self::remove);
        created.unwrap_or_else(|error| {
            ::log::error!("{error}");
            None
        })
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

    /// The descriptor that holds the lock: a forked process that keeps it open
    /// holds the lock, too.
    pub fn descriptor(&self) -> Option<RawFd> {
        self.file.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Removes the file, unless it has become another process's.
    pub fn remove(self) {
        if owner(&self.path) == Some(Pid::this()) && !self.is_replaced() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// True if another file has taken its place: the settings may name the same
    /// one by another path.
    fn is_replaced(&self) -> bool {
        let identity = |meta: Metadata| (meta.dev(), meta.ino());
        let ours = self.file.as_ref().and_then(|file| file.metadata().ok());
        let found = fs::metadata(&self.path).ok();
        ours.zip(found)
            .is_some_and(|(ours, found)| identity(ours) != identity(found))
    }
}

/// Where the pid file is: next to that of the master that this one is to replace,
/// if it is to replace one.
pub fn path(setting: &Path, is_second: bool) -> PathBuf {
    let mut name = setting.as_os_str().to_owned();
    if is_second {
        name.push(".2");
    }
    name.into()
}

/// Writes the file under another name and locks it before it gets its own.
fn write(new: &Path, path: &Path) -> io::Result<File> {
    // Where others can write, too, there may be a file of theirs.
    let _ = fs::remove_file(new);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o644);
    let mut file = options.open(new)?;
    writeln!(file, "{}", Pid::this())?;
    lock(&file);
    fs::rename(new, path)?;
    Ok(file)
}

/// Locks the file, where its file system has locks.
fn lock(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Whose process the file names.
fn owner(path: &Path) -> Option<Pid> {
    // To read anything else than a file may never end.
    let text = is_file(path).then(|| fs::read_to_string(path).ok())??;
    let pid = text.trim().parse().ok().filter(|pid| *pid > 0)?;
    Some(Pid::from_raw(pid))
}

fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file())
}

/// Another process than this that the file names and that is alive.
fn living(path: &Path) -> Option<Pid> {
    let is_alive = |pid: &Pid| matches!(kill(*pid, None), Ok(()) | Err(Errno::EPERM));
    owner(path)
        .filter(|pid| *pid != Pid::this())
        .filter(is_alive)
}

/// Whether a server holds the file's lock; also where that cannot be found out.
fn is_locked(path: &Path) -> bool {
    // A shared lock: two processes that check at once do not see each other as a
    // server.
    File::open(path).map_or(true, |file| file.try_lock_shared().is_err())
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
        assert!(is_locked(&other));
        file.remove();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_that_was_written_anew_by_another_path_stays() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        let path = folder.path().join("pid");
        let first = Pidfile::create(&path).unwrap();
        let second = Pidfile::create(&link.join("pid")).unwrap();
        first.remove();
        assert!(path.exists());
        second.remove();
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_living_server_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        let server = Pidfile::known(path.clone());
        let error = Pidfile::create(&path).unwrap_err().to_string();
        let expected = format!(
            "Already running on PID 1 (or pid file '{}' is stale)",
            path.display()
        );
        assert_eq!(error, expected);
        server.remove();
        assert!(path.exists());
    }

    #[test]
    fn the_file_of_a_process_that_is_no_server_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        fs::write(&path, "1\n").unwrap();
        let file = Pidfile::create(&path).unwrap();
        assert_eq!(owner(&path), Some(Pid::this()));
        assert!(is_locked(&path));
        // It is not removed if somebody else has written it since.
        fs::write(&path, "1\n").unwrap();
        file.remove();
        assert_eq!(owner(&path), Some(Pid::from_raw(1)));
        assert!(!is_locked(&path));
    }
}
