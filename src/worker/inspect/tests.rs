//! The commands, over a pair of sockets.
