//! HTTP/2 with a client of our own over raw frames (`support/http2`).

mod conformance;
mod field_coding;
mod suite;
