//! Packed sites: a zip, an executable or a container image that holds an app and its
//! dependencies. [`unpack()`] prepares one for serving, [`make`] makes one, [`inspect`]
//! shows what is inside.
#![forbid(unsafe_code)]

mod appended;
mod cache;
mod check;
mod compiled;
mod error;
mod extract;
mod hash;
pub mod inspect;
mod interrupt;
mod label;
mod locate;
pub mod make;
mod manifest;
mod output;
mod record;
mod repair;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod unpack;
mod unpack_command;
mod walk;

pub use cache::lock_unpacked;
pub use error::Error;
pub use label::Label;
pub use locate::own_site;
pub use unpack::{Unpacked, unpack};
pub use unpack_command::unpack_to_folder;
