//! What this process is to the system: its title, its user, its terminal.

pub mod daemon;
mod owner;
mod program;
mod title;

pub use owner::Owner;
pub use program::Program;
pub use title::Title;
