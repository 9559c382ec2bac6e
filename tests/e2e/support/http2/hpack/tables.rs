//! The table of known fields (RFC 7541, section 2.3).

use std::collections::VecDeque;

/// A name and a value.
pub type Field = (Vec<u8>, Vec<u8>);

/// The static table (appendix A). Its first field has the index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The static table, and behind it the fields that were added.
pub struct Table {
    /// The newest is first.
    added: VecDeque<Field>,
    /// What the added fields may take, in bytes as section 4.1 counts them.
    limit: usize,
}

impl Table {
    pub fn new(limit: usize) -> Self {
        Self {
            added: VecDeque::new(),
            limit,
        }
    }

    pub fn get(&self, index: usize) -> Result<Field, String> {
        let added = index.checked_sub(STATIC.len() + 1);
        match added {
            None if index == 0 => None,
            None => STATIC
                .get(index - 1)
                .map(|&(name, value)| (name.into(), value.into())),
            Some(place) => self.added.get(place).cloned(),
        }
        .ok_or_else(|| format!("there is no field {index}"))
    }

    pub fn add(&mut self, field: Field) {
        self.added.push_front(field);
        self.evict();
    }

    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.evict();
    }

    /// The size of the added fields (section 4.1).
    pub fn size(&self) -> usize {
        let sizes = self.added.iter();
        sizes
            .map(|(name, value)| name.len() + value.len() + 32)
            .sum()
    }

    fn evict(&mut self) {
        while self.size() > self.limit {
            self.added.pop_back();
        }
    }
}
