//! What is the same for every request of a worker.

use crate::python::Hooks;

/// What a WSGI app and its environs are made from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// True if several threads of this process call the app.
    pub multithread: bool,
    /// True if apps wait in gevent's way.
    pub cooperative: bool,
    /// True if several processes serve the app.
    pub multiprocess: bool,
    /// The path the app is mounted under, from `$SCRIPT_NAME`.
    pub script_name: String,
    /// False to read files in blocks where `sendfile` could send them.
    pub sendfile: bool,
    /// `SERVER_SOFTWARE` in the environ.
    pub software: String,
    /// What is to be told of each request.
    pub hooks: Hooks,
}
