//! Ids of requests, to find a request in several logs.

/// True for an id that is accepted from a proxy: 1 to 128 characters that are
/// safe in a log and in a URL.
pub fn is_request_id(value: &[u8]) -> bool {
    (1..=128).contains(&value.len())
        && value
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:=+/@".contains(b))
}

/// Makes unique ids. They are not secret.
#[derive(Clone, Debug)]
pub struct RequestIds {
    seed: u128,
    count: u64,
}

impl RequestIds {
    /// `seed` must be random. Then ids of different seeds practically never are
    /// the same.
    pub fn new(seed: u128) -> RequestIds {
        RequestIds { seed, count: 0 }
    }

    /// 32 hexadecimal digits.
    pub fn next_id(&mut self) -> String {
        format!("{:032x}", self.next_number())
    }

    /// The next id as a number.
    pub fn next_number(&mut self) -> u128 {
        self.count += 1;
        self.seed ^ u128::from(scatter(self.count))
    }
}

/// A permutation of all 64-bit numbers, so that different counts give different
/// results (SplitMix64's finisher).
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_valid_and_differ() {
        let mut ids = RequestIds::new(7);
        let made: HashSet<_> = (0..10_000).map(|_| ids.next_id()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| is_request_id(id.as_bytes())));
        assert_ne!(RequestIds::new(8).next_id(), RequestIds::new(9).next_id());
    }

    #[test]
    fn what_a_proxy_may_say() {
        assert!(is_request_id(b"Root=1-67891233-abcdef012345678912345678"));
        assert!(is_request_id(&[b'a'; 128]));
        for bad in [&b""[..], &[b'a'; 129], b"a b", b"a\"b", b"a\\b", b"caf\xe9"] {
            assert!(!is_request_id(bad));
        }
    }
}
