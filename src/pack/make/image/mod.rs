//! A container image of a site, made without a container engine: an OCI image
//! layout in a tar (OCI Image Format Specification 1.1), with the list beside it
//! by which Docker's older engines find their way.
//!
//! It has no base. Its layers come in the order of how often they change, and
//! each is the same bytes when its content is the same: a new version of the
//! app is an upload of the last one only.

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
