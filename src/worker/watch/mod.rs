//! What watches over a worker while the app has its threads.

pub mod deadline;
pub mod memory;
pub mod reload;
pub mod stop_notice;
