//! The interpreter: its start, the bundled standard library, and the command
//! `python`.
//!
//! All unsafe code of embedding CPython is in this room. The others use
//! [`start`] and pyo3.

mod bundle;
mod bundle_module;
mod carried_pip;
mod command;
mod config;
mod context_var;
mod definition;
mod environment;
mod executable;
mod extract;
mod finish;
mod fork;
mod immortal;
mod latin_1;
mod launcher;
mod log_module;
mod native_modules;
mod renew;
mod sampler;
mod site_dirs;
mod stacks;
mod thread;
mod type_name;
mod venv;
mod visitors;

pub mod app;
pub mod arguments;
pub mod config_file;
pub mod discover;
pub mod hooks;
pub mod invocation;
pub mod library;
pub mod logger;
pub mod reloading;
pub mod spew;
pub mod time_zone;
pub mod traceback;
pub mod zip_names;

pub use command::run;
#[cfg(test)]
pub use config::start_once;
pub use config::{is_started, start};
pub use context_var::ContextVar;
pub use environment::Environment;
pub use executable::{absolute, path as executable};
pub use finish::{finish, run_exit_functions};
pub use fork::{fork, load_to_share};
pub use hooks::Hooks;
pub use latin_1::latin_1;
pub use renew::rename;
pub use sampler::{Profile, ProfileOptions, profile};
pub use stacks::{RequestOfThread, ServedRequest, Stacks, stacks};
pub use thread::{ident, main_ident, mark_main, thread, without_gil};
pub use type_name::type_name;
pub use venv::{VenvError, venv_site_packages};
pub use visitors::{Visitor, wait_for_visitors};

/// The tag in the names of compiled modules (`sys.implementation.cache_tag`):
/// `cpython-313`.
pub fn cache_tag() -> String {
    format!(
        "cpython-{}",
        env!("RGUNICORN_PYTHON_MINOR").replace('.', "")
    )
}

/// The version of the CPython inside, as in `3.13.5`.
pub fn version() -> &'static str {
    env!("RGUNICORN_PYTHON_VERSION")
}
