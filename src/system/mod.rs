//! Calls to the operating system that several rooms need.

mod descriptor;
mod file_stamp;
mod local_time;
mod names;

pub use descriptor::replace;
pub use file_stamp::FileStamp;
pub use local_time::local_time;
pub use names::addresses;
