//! The compression of fields (HPACK, RFC 7541), written for the tests alone: a server that
//! misreads it is not excused by a client that has the same fault.

mod decoder;
pub mod encoder;
mod huffman;
mod tables;

pub use decoder::Decoder;
