//! The network of a worker, the same for all worker classes: listeners and
//! connections.

mod connection;
mod context;
mod id;
mod naming;
mod output;
mod reactor;
mod registry;
mod relay;
mod rules;
mod timer_wheel;
mod waiter;

pub use connection::Event;
pub use context::Context;
pub use reactor::Reactor;
pub use registry::Registry;
pub use rules::Rules;
pub use waiter::{SocketWaiter, Waiter, poll_for};
