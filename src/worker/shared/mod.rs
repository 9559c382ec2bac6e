//! The memory and descriptors that the master and its workers share.

pub mod balance;
pub mod handover;
pub mod heartbeat;

pub use balance::WorkerTable;
pub use handover::Handover;
pub use heartbeat::{Heartbeat, MasterWaker};
