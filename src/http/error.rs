//! Errors in requests, with the status of their response, and errors in
//! responses.

use super::status::Status;
use std::io;

/// Why a request is refused. The client and the log note this text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Invalid request line: {0}")]
    RequestLine(String),
    #[error("Invalid request method: {0}")]
    Method(String),
    #[error("Invalid HTTP version: {0}")]
    Version(String),
    #[error("Unsupported HTTP version: {0}")]
    UnsupportedVersion(String),
    #[error("Request line is longer than {0} bytes")]
    RequestLineTooLong(usize),
    #[error("A header field is longer than {0} bytes")]
    FieldTooLong(usize),
    #[error("More than {0} header fields")]
    TooManyFields(usize),
    #[error("Invalid header name: {0}")]
    FieldName(String),
    #[error("Invalid header: {0}")]
    Field(String),
    #[error("Obsolete line folding is not accepted")]
    ObsoleteFolding,
    #[error("A line ends in LF without CR")]
    BareLineFeed,
    #[error("Contradictory scheme headers")]
    SchemeHeaders,
    #[error("Unsupported transfer coding: {0}")]
    TransferCoding(String),
    #[error("Unsupported expectation: {0}")]
    Expectation(String),
    #[error("The request body is larger than {0} bytes")]
    BodyTooLarge(u64),
    #[error("Invalid chunk size: {0}")]
    ChunkSize(String),
    #[error("Invalid chunk extension: {0}")]
    ChunkExtension(String),
    #[error("Chunk data does not end in CRLF")]
    ChunkEnd,
    #[error("Field not allowed in trailers: {0}")]
    Trailer(String),
    #[error("The request ended before its body was complete")]
    UnexpectedEnd,
    #[error("Invalid PROXY line: {0}")]
    ProxyLine(String),
    #[error("Invalid PROXY header: {0}")]
    ProxyHeader(&'static str),
    #[error("CONNECT is only answered for WebSockets in HTTP/2")]
    Tunnel,
    #[error("The PROXY protocol is not allowed from this peer")]
    ProxyForbidden,
}

impl Error {
    /// The status of the response: that of Gunicorn 27, and 413 and 505, which
    /// Gunicorn does not use.
    pub fn status(&self) -> Status {
        match self {
            Error::RequestLineTooLong(_) => Status::URI_TOO_LONG,
            Error::FieldTooLong(_) | Error::TooManyFields(_) => Status::FIELDS_TOO_LARGE,
            Error::BodyTooLarge(_) => Status::CONTENT_TOO_LARGE,
            Error::TransferCoding(_) | Error::Tunnel => Status::NOT_IMPLEMENTED,
            Error::Expectation(_) => Status::EXPECTATION_FAILED,
            Error::UnsupportedVersion(_) => Status::VERSION_NOT_SUPPORTED,
            Error::ProxyForbidden => Status::FORBIDDEN,
            _ => Status::BAD_REQUEST,
        }
    }
}

/// Why a request's body cannot be read to its end. The client sees this text.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client has closed the connection.
    #[error("The request body could not be received: {0}")]
    Client(#[from] io::Error),
    #[error("The request's body came too slowly")]
    TooSlow,
    /// The client's bytes are no valid body.
    #[error(transparent)]
    Invalid(#[from] Error),
    /// The server cannot read the temporary file of the body. The log says why.
    #[error("The request body could not be kept")]
    Lost,
}

impl BodyError {
    /// The status of the answer.
    pub fn status(&self) -> Status {
        match self {
            BodyError::Client(_) => Status::BAD_REQUEST,
            BodyError::TooSlow => Status::REQUEST_TIMEOUT,
            BodyError::Invalid(error) => error.status(),
            BodyError::Lost => Status::SERVER_ERROR,
        }
    }
}

/// Why an app's response cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    #[error("Invalid response status: {0:?}")]
    Status(String),
    #[error(
        "The response status {0} is only an interim one: an answer has a status of 200 or more"
    )]
    Interim(u16),
    #[error("Invalid header name: {0:?}")]
    FieldName(String),
    #[error("Invalid value of header {0:?}")]
    FieldValue(String),
}

impl ResponseError {
    pub(super) fn name(name: &[u8]) -> ResponseError {
        ResponseError::FieldName(lossy(name))
    }

    pub(super) fn value(name: &[u8]) -> ResponseError {
        ResponseError::FieldValue(lossy(name))
    }
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A client's bytes as text that is safe to print: one short line.
#[cold]
pub(super) fn printable(bytes: &[u8]) -> String {
    const LONGEST: usize = 80;
    let shown = bytes[..bytes.len().min(LONGEST)].escape_ascii();
    if bytes.len() > LONGEST {
        format!("'{shown}...'")
    } else {
        format!("'{shown}'")
    }
}
