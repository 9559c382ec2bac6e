//! What this process is to the system: its title, its user, its terminal, its
//! signals, its children.

pub mod child;
pub mod daemon;
pub mod environment;
pub mod exit_code;
mod owner;
mod program;
mod signals;
pub mod title;

pub use owner::Owner;
pub use program::Program;
pub use signals::{is_ignored, prepare_signals, unblock_in};
