//! WSGI (PEP 3333): one request of one app.
//!
//! [`Application::call`] makes the environ, calls the app and frames what it
//! answers. The bytes come and go through a [`Stream`](crate::exchange::Stream); what is behind it is
//! the worker's business.

mod application;
mod environ;
mod errors;
mod exchange;
mod file_wrapper;
mod input;
mod request_hooks;
mod socket;
mod text;

pub use application::{Application, Finished};
pub use environ::{Request, Settings};
pub use request_hooks::Seen;

#[cfg(test)]
mod tests;
