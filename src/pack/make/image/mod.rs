//! A container image of a site, made without a container engine: an OCI image layout in
//! a tar (OCI Image Format Specification 1.1), and the list that older engines of
//! Docker read.
//!
//! It has no base image. The layers that change most often are last, and a layer has
//! the same bytes if its content is the same. So for a new version of the app only the
//! last layer is uploaded.

mod build;
mod config;
mod input;
mod layer;
mod layout;
mod name;
#[cfg(test)]
mod tests;

pub use build::write;
pub use config::{is_closed, ports};
pub use input::Image;
pub use name::Name;
