//! WSGI (PEP 3333): one request of one app.
//!
//! [`Application::call`] makes the environ, calls the app and sends what it
//! answers. The app reads and writes through the exchange's stream, which the
//! worker implements.

mod application;
mod client_socket;
mod environ;
mod errors;
mod file_wrapper;
mod input;
mod options;
mod response;
mod start_response;
mod text;

pub use application::Application;
pub use options::AppOptions;

#[cfg(test)]
mod tests;
