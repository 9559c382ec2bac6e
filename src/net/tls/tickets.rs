//! Session tickets that every worker of a master accepts (RFC 8446 section
//! 4.6.1, RFC 5077).
//!
//! The keys are derived from one secret and the time. So processes need not
//! exchange anything, a worker that starts later has the same keys, and an old
//! key is lost after its time when the master has ended.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long one key is used for new tickets. Tickets are accepted for the same
/// time again.
const PERIOD: Duration = Duration::from_secs(12 * 60 * 60);

/// The master makes it before it forks. It is the same in all workers.
static SECRET: OnceLock<[u8; 32]> = OnceLock::new();

#[derive(Debug)]
pub struct SharedTickets {
    secret: [u8; 32],
    now: fn() -> u64,
}

impl SharedTickets {
    pub fn new() -> Option<SharedTickets> {
        if SECRET.get().is_none() {
            let mut secret = [0; 32];
            SystemRandom::new().fill(&mut secret).ok()?;
            let _ = SECRET.set(secret);
        }
        Some(SharedTickets {
            secret: *SECRET.get()?,
            now: period_now,
        })
    }

    fn key(&self, period: u64) -> Option<LessSafeKey> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let bytes = hmac::sign(&secret, &period.to_be_bytes());
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD.as_secs() as u32
    }

    /// The period, a nonce, and the sealed state.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = (self.now)();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(period.to_be_bytes());
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        self.key(period)?
            .seal_in_place_append_tag(nonce_once, aad, &mut sealed)
            .ok()?;
        Some([&period.to_be_bytes()[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let aad = Aad::from(*period);
        let period = u64::from_be_bytes(*period);
        if !matches!((self.now)().checked_sub(period), Some(0 | 1)) {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let key = self.key(period)?;
        let plain = key.open_in_place(nonce, aad, &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

fn period_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / PERIOD.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secret: u8, now: fn() -> u64) -> SharedTickets {
        SharedTickets {
            secret: [secret; 32],
            now,
        }
    }

    #[test]
    fn tickets_are_taken_for_two_periods_by_who_has_the_secret() {
        let ticket = at(1, || 100).encrypt(b"state").unwrap();
        for (reader, taken) in [
            (at(1, || 100), true),
            (at(1, || 101), true),
            (at(1, || 102), false),
            (at(1, || 99), false),
            (at(2, || 100), false),
        ] {
            let plain = reader.decrypt(&ticket);
            assert_eq!(plain.as_deref(), taken.then_some(&b"state"[..]));
        }
        for place in 0..ticket.len() {
            let mut forged = ticket.clone();
            forged[place] ^= 1;
            assert_eq!(at(1, || 100).decrypt(&forged), None);
        }
        assert_eq!(at(1, || 100).decrypt(&ticket[..10]), None);
        assert_ne!(at(1, || 100).encrypt(b"state").unwrap(), ticket);
    }
}
