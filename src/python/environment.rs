//! The environment of a process's interpreter.

use std::ffi::OsString;
use std::path::PathBuf;

/// The environment of a process's interpreter.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `sys.argv`. For the `python` command, Python makes its own.
    pub program_args: Vec<OsString>,
    /// Put first on `sys.path`, in this order.
    pub import_path: Vec<PathBuf>,
    /// Folders whose `sitecustomize` is run.
    pub customizing: Vec<PathBuf>,
    /// `site-packages` folders: after the standard library, and with their
    /// `.pth` files.
    pub site_dirs: Vec<PathBuf>,
    /// The virtual environment that is `sys.prefix`, if there is one.
    pub venv: Option<PathBuf>,
    /// `sys.executable`, if it is not the executable's own path but a virtual
    /// environment's `bin/python`.
    pub executable: Option<PathBuf>,
    /// The folder, or the zip, of an app that was given as a zip. Processes
    /// that `sys.executable` starts import from it, too.
    pub app: Option<PathBuf>,
    /// A folder where `sys.executable` may be made, tried before the usual
    /// cache folders.
    pub launchers: Option<PathBuf>,
    /// Read Python's own variables, such as `PYTHONPATH`.
    pub reads_variables: bool,
    /// True if Python turns SIGINT into `KeyboardInterrupt`, as for the
    /// `python` command. Workers have their own handlers.
    pub install_signal_handlers: bool,
}
