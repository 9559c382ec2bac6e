//! Empty file systems: `chroot`s that have only the program.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::{Start, copy_program, program};

/// A file system with only the program.
pub struct Root {
    dir: tempfile::TempDir,
    /// Shell commands, which run in the child's own mount namespace.
    mounts: String,
    /// The environment of the program, as words of a shell.
    variables: String,
    read_only: bool,
}

impl Root {
    /// `None` if this user may not make one; the test must return then.
    pub fn empty() -> Option<Self> {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can change the root folder");
            return None;
        }
        // Beside the program, so that it can be a hard link instead of a copy.
        let dir = tempfile::Builder::new()
            .prefix("root-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .unwrap();
        let root = Self {
            dir,
            mounts: String::new(),
            variables: String::new(),
            read_only: false,
        };
        if root.start([""; 0]).args(["--version"]).run().code != 0 {
            eprintln!("skipped: this root may not mount anything");
            return None;
        }
        Some(root)
    }

    /// The path on the host.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside.trim_start_matches('/'))
    }

    /// Copies a file into it.
    pub fn put(self, file: impl AsRef<Path>, inside: &str) -> Self {
        let target = self.path(inside);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        if fs::hard_link(&file, &target).is_err() {
            fs::copy(file, target).unwrap();
        }
        self
    }

    /// Uses this executable as the program; it has a site in it.
    pub fn program(self, file: &Path) -> Self {
        // It may be the same file as the program on the host.
        fs::remove_file(self.path("rgunicorn")).unwrap();
        self.put(file, "/rgunicorn")
    }

    pub fn write(self, inside: &str, text: &str) -> Self {
        let target = self.path(inside);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, text).unwrap();
        self
    }

    pub fn with_proc(mut self) -> Self {
        fs::create_dir(self.path("proc")).unwrap();
        self.mounts += "mount -t proc none \"$root/proc\"\n";
        self
    }

    /// Makes a folder or a file of the host visible inside.
    pub fn with(mut self, host: &Path, inside: &str) -> Self {
        let target = self.path(inside);
        if host.is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            self = self.write(inside, "");
        }
        self.mounts += &format!("mount --bind '{}' \"$root{inside}\"\n", host.display());
        self
    }

    /// Adds the host's C compiler with everything that it needs, and the host's
    /// settings, for example for the network; but no Python of the host. `None` if
    /// there is no compiler.
    pub fn with_compiler(mut self) -> Option<Self> {
        for tool in ["cc", "gcc", "as", "ld", "sh"] {
            let Ok(file) = fs::canonicalize(Path::new("/usr/bin").join(tool)) else {
                eprintln!("skipped: this machine has no {tool}");
                return None;
            };
            self = self.put(file, &format!("usr/bin/{tool}"));
        }
        for folder in [
            "/usr/lib",
            "/usr/lib64",
            "/usr/libexec",
            "/usr/include",
            "/etc",
        ] {
            if Path::new(folder).exists() {
                self = self.with(Path::new(folder), folder);
                self.mounts += &format!("mount -o remount,bind,ro \"$root{folder}\"\n");
            }
        }
        self.mounts += "for python in \"$root\"/usr/lib/python*; do
            [ ! -d \"$python\" ] || mount -t tmpfs none \"$python\"
        done\n";
        for link in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{link}"), self.path(link)).unwrap();
        }
        Some(self.with(Path::new("/dev"), "/dev"))
    }

    /// Adds a writable /tmp that is mounted noexec, as containers have it.
    pub fn with_tmp(mut self) -> Self {
        fs::create_dir(self.path("tmp")).unwrap();
        self.mounts += "mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 none \"$root/tmp\"\n";
        self
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables += &format!("'{name}={value}' ");
        self
    }

    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The program in it, with an empty environment except for `variable`s.
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Start {
        self.start_by("/rgunicorn", args)
    }

    /// The same with this path for the program.
    pub fn start_by<S: AsRef<OsStr>>(
        &self,
        path: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Start {
        let inside = self.path("rgunicorn");
        if !inside.exists() && fs::hard_link(program(), &inside).is_err() {
            copy_program(inside);
        }
        let mut script = "set -e\nroot=$1; shift\nmount --bind \"$root\" \"$root\"\n".to_owned();
        if self.read_only {
            script += "mount -o remount,bind,ro \"$root\"\n";
        }
        script += &self.mounts;
        script += "PATH=$PATH:/usr/sbin:/sbin\n";
        let variables = &self.variables;
        script += &format!("exec env -i {variables} \"$(command -v chroot)\" \"$root\" \"$@\"\n");
        Start::program("unshare", ["-m", "sh", "-c", &script, "sh"])
            .args([self.dir.path()])
            .args([path])
            .args(args)
    }

    /// The program in it as a server on the loopback interface.
    pub fn server<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Start {
        self.start(["--bind", "127.0.0.1:0"]).args(args)
    }
}
