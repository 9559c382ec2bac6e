//! What is the same for every request of a worker.

use crate::python::Hooks;

/// What a WSGI app and its environs are made from.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// True if several threads of this process call the app.
    pub multithread: bool,
    /// True if apps wait in gevent's greenlets.
    pub cooperative: bool,
    /// True if several processes serve the app.
    pub multiprocess: bool,
    /// The path the app is mounted under, from `$SCRIPT_NAME`.
    pub script_name: String,
    /// False if files are read in blocks although `sendfile` could send them.
    pub sendfile: bool,
    /// `SERVER_SOFTWARE` in the environ.
    pub software: String,
    /// The hooks that each request is shown to.
    pub hooks: Hooks,
}
