//! What a server says of itself, and how it is steered: metrics, health, a page,
//! and the control socket.

#![expect(dead_code, reason = "the server of it follows")]

pub mod report;
