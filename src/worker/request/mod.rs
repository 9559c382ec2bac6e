//! One request between the network and the app.

pub mod body;
pub mod in_flight;
pub mod refusal;
pub mod spool;
