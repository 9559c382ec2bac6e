//! Calls to the operating system, locks, and shared memory, that several rooms need.

mod descriptor;
mod file_stamp;
mod forks;
mod line_ring;
mod local_time;
mod lock;
mod names;
mod process_memory;
mod process_stat;
mod shared_memory;
mod shared_text;
mod text_file;

pub use descriptor::replace;
pub use file_stamp::FileStamp;
pub use forks::{has_forked, watch_forks};
pub use line_ring::LineRing;
pub use local_time::local_time;
pub use lock::lock;
pub use names::addresses;
pub use process_memory::ProcessMemory;
pub use process_stat::ProcessStat;
pub use shared_memory::{Shareable, Shared};
pub use shared_text::SharedText;
pub use text_file::read_text;
