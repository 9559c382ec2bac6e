//! Clients that wear the server out. Each is stopped before it costs much, and nobody else
//! notices.

mod floods;
mod hoarding;
mod victim;
