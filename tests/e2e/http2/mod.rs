//! HTTP/2 with a client of our own over raw frames (`support/http2`).

mod abuse;
mod apps;
mod conformance;
mod field_coding;
mod limits;
mod lossless;
mod order;
mod suite;
