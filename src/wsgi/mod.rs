//! WSGI (PEP 3333): one request of one app.
//!
//! [`Application::call`] makes the environ, calls the app and sends what it
//! answers. The bytes come and go through the exchange's stream; what is behind
//! it is the worker's business.

mod application;
mod client_socket;
mod environ;
mod errors;
mod file_wrapper;
mod input;
mod response;
mod settings;
mod start_response;
mod text;

pub use application::Application;
pub use settings::Settings;

#[cfg(test)]
mod tests;
