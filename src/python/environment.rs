//! What the interpreter of one process shall be able to see.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the interpreter of one process shall be able to see.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `sys.argv`; for the `python` command, Python makes its own.
    pub program_args: Vec<OsString>,
    /// Put first on `sys.path`, in this order.
    pub import_path: Vec<PathBuf>,
    /// Folders whose `sitecustomize` is run.
    pub customizing: Vec<PathBuf>,
    /// `site-packages` folders: put after the standard library, their `.pth`
    /// files obeyed.
    pub site_dirs: Vec<PathBuf>,
    /// The virtual environment that is `sys.prefix`, if there is one.
    pub venv: Option<PathBuf>,
    /// `sys.executable`, when the interpreter is known by another name than
    /// the executable's own: a virtual environment's `bin/python`.
    pub executable: Option<PathBuf>,
    /// The folder, or the zip, of an app that was given as a zip. What
    /// `sys.executable` starts imports from it, too.
    pub app: Option<PathBuf>,
    /// Where `sys.executable` may be made, before the usual cache folders.
    pub launchers: Option<PathBuf>,
    /// Read Python's own variables, such as `PYTHONPATH`.
    pub reads_variables: bool,
    /// Let Python turn SIGINT into `KeyboardInterrupt`: the `python` command
    /// wants it, workers have their own handlers.
    pub install_signal_handlers: bool,
}
