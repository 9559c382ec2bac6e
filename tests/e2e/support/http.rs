//! HTTP over a raw socket.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::{DEADLINE, Uninterrupted, uninterrupted};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Target {
    /// Parses the address in the log line of the start.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::Unix(path.into());
        }
        let address = text.strip_prefix("https://").unwrap_or(text);
        let address = address.strip_prefix("http://").unwrap_or(address);
        Self::Tcp(address.parse().expect(text))
    }

    pub fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, DEADLINE)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(Box::new(Uninterrupted(stream)))
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(Box::new(Uninterrupted(stream)))
            }
        }
    }

    /// Sends `request` without changes, and reads one response.
    #[track_caller]
    pub fn exchange(&self, request: impl AsRef<[u8]>) -> Response {
        let mut stream = self.connect().expect("the server must accept");
        stream.write_all(request.as_ref()).unwrap();
        let head_only = request.as_ref().starts_with(b"HEAD ");
        Response::read(&mut stream, head_only).expect("the server must answer")
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\r\n"
        ))
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// Reads one response. The head says how long its body is (RFC 9112, 6.3).
    pub fn read(stream: &mut dyn Stream, head_only: bool) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let (mut response, head_length) = loop {
            if let Some(parsed) = Self::parse_head(&bytes)? {
                break parsed;
            }
            more(stream, &mut bytes)?;
        };
        bytes.drain(..head_length);
        if head_only || matches!(response.status, 204 | 304) {
            return Ok(response);
        }
        let chunked = response
            .header("Transfer-Encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        if chunked {
            response.body = read_chunks(stream, bytes)?;
        } else if let Some(length) = response.header("Content-Length") {
            let length: usize = length.parse().map_err(io::Error::other)?;
            while bytes.len() < length {
                more(stream, &mut bytes)?;
            }
            bytes.truncate(length);
            response.body = bytes;
        } else {
            stream.read_to_end(&mut bytes)?;
            response.body = bytes;
        }
        Ok(response)
    }

    fn parse_head(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes).map_err(io::Error::other)?
        else {
            return Ok(None);
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = head.headers.iter();
        let response = Self {
            status: head.code.unwrap(),
            headers: headers
                .map(|header| (header.name.to_owned(), text(header.value)))
                .collect(),
            body: Vec::new(),
        };
        Ok(Some((response, length)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of a response, whose status must be 200.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.text()
    }
}

/// The responses that make up all of `bytes`, to requests other than HEAD.
pub fn responses(bytes: &[u8]) -> io::Result<Vec<Response>> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let cut_off = || io::Error::other("an answer is cut off");
        let (mut response, head) = Response::parse_head(rest)?.ok_or_else(cut_off)?;
        let after = &rest[head..];
        let length = match response.header("Content-Length") {
            Some(length) => length.parse().map_err(io::Error::other)?,
            None if response.status < 200 || response.status == 204 => 0,
            None => after.len(),
        };
        let (body, after) = after.split_at_checked(length).ok_or_else(cut_off)?;
        response.body = body.to_vec();
        found.push(response);
        rest = after;
    }
    Ok(found)
}

fn more(stream: &mut dyn Stream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    match uninterrupted(|| stream.read(&mut buffer))? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("cut off after {:?}", String::from_utf8_lossy(bytes)),
        )),
        count => {
            bytes.extend(&buffer[..count]);
            Ok(())
        }
    }
}

fn read_chunks(stream: &mut dyn Stream, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = loop {
            match httparse::parse_chunk_size(&bytes) {
                Ok(httparse::Status::Complete(chunk)) => break chunk,
                Ok(httparse::Status::Partial) => more(stream, &mut bytes)?,
                Err(_) => return Err(io::Error::other("bad chunk size")),
            }
        };
        let end = start + usize::try_from(size).map_err(io::Error::other)?;
        while bytes.len() < end + 2 {
            more(stream, &mut bytes)?;
        }
        body.extend(&bytes[start..end]);
        if &bytes[end..end + 2] != b"\r\n" {
            return Err(io::Error::other("chunk without end"));
        }
        bytes.drain(..end + 2);
        if size == 0 {
            return Ok(body);
        }
    }
}

/// A client like a browser: it keeps cookies, and sends forms.
pub struct Client {
    target: Target,
    cookies: BTreeMap<String, String>,
    language: &'static str,
}

impl Client {
    pub fn new(target: Target) -> Self {
        Self {
            target,
            cookies: BTreeMap::new(),
            language: "en",
        }
    }

    /// The value of Accept-Language.
    pub fn speaking(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Response {
        let head = self.head("GET", path);
        self.send(format!("{head}\r\n"))
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        let body = form
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
            .collect::<Vec<_>>()
            .join("&");
        let head = self.head("POST", path);
        let length = body.len();
        self.send(format!(
            "{head}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn head(&self, method: &str, path: &str) -> String {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: testserver\r\nConnection: close\r\n\
             Accept-Language: {}\r\n",
            self.language
        );
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter();
            let pairs: Vec<_> = pairs
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            head += &format!("Cookie: {}\r\n", pairs.join("; "));
        }
        head
    }

    #[track_caller]
    fn send(&mut self, request: String) -> Response {
        let response = self.target.exchange(request);
        for (name, value) in &response.headers {
            if name.eq_ignore_ascii_case("Set-Cookie") {
                let pair = value.split(';').next().unwrap_or_default();
                let (name, value) = pair.split_once('=').expect("a cookie has a value");
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Requests to `/sleep` that wait at the same time.
pub struct Sleepers(Vec<Box<dyn Stream>>);

impl Sleepers {
    pub fn ask(target: &Target) -> Self {
        let ask = |_| {
            let mut stream = target.connect().unwrap();
            stream
                .write_all(b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            stream
        };
        Self((0..20).map(ask).collect())
    }

    #[track_caller]
    pub fn expect_answers(mut self) {
        for stream in &mut self.0 {
            assert_eq!(Response::read(stream, false).unwrap().ok(), "slept");
        }
    }
}
