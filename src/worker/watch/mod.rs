//! Threads that watch a worker while the app occupies its other threads.

pub mod deadline;
pub mod memory;
pub mod reload;
pub mod stop_notice;
