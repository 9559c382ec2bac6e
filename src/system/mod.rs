//! Calls to the operating system that several rooms need.

mod descriptor;
mod local_time;
mod names;

pub use descriptor::replace;
pub use local_time::local_time;
pub use names::addresses;
