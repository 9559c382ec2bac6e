//! One request between the network and the app, and what is kept of it.

pub mod body;
pub mod in_flight;
pub mod refusal;
pub mod spool;
