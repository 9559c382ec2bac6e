//! A short test of the parsers with unusual bytes: every input of `tests/fuzz/corpus`,
//! then several thousand random changes of them, which are always the same.
//! `scripts/fuzz` looks for inputs that break the code.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use rgunicorn_fuzz::{CORPUS, Target};

/// The number of changed inputs.
const TRIES: u32 = 20_000;

#[test]
fn heads() {
    try_target("head");
}

#[test]
fn chunked_bodies() {
    try_target("chunked");
}

#[test]
fn proxy_headers() {
    try_target("proxy");
}

#[test]
fn responses() {
    try_target("response");
}

#[test]
fn websockets() {
    try_target("websocket");
}

#[test]
fn http2_connections() {
    try_target("http2");
}

#[test]
fn executables_with_a_site() {
    try_target("appended");
}

fn try_target(name: &str) {
    let target = Target::named(name).expect("it is there");
    let corpus = corpus(name);
    for input in &corpus {
        try_input(target, input);
    }
    let mut chance = Chance(u64::from(TRIES));
    for _ in 0..TRIES {
        let mut input = corpus[chance.below(corpus.len())].clone();
        for _ in 0..=chance.below(4) {
            change(&mut input, &corpus, &mut chance);
        }
        try_input(target, &input);
    }
}

fn try_input(target: &Target, input: &[u8]) {
    if catch_unwind(|| (target.check)(input)).is_err() {
        panic!("{} fails for b\"{}\"", target.name, input.escape_ascii());
    }
}

/// The inputs of a target, always in the same order.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(CORPUS).join(name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Changes an input in one of the ways that find the most errors.
fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], chance: &mut Chance) {
    const TELLING: &[u8] = b"\r\n\0\t :;,=\"\\/*?#%09afAF\x7f\x80\xff+-_";
    let place = chance.below(input.len() + 1);
    let end = place + chance.below(input.len() - place + 1);
    match chance.below(6) {
        0 => {
            if let Some(byte) = input.get_mut(place) {
                *byte ^= 1 << chance.below(8);
            }
        }
        1 => input.insert(place, TELLING[chance.below(TELLING.len())]),
        2 => {
            input.drain(place..end);
        }
        3 => {
            let part = input[place..end].to_vec();
            input.splice(place..place, part);
        }
        4 => {
            if let Some(byte) = input.get_mut(place) {
                *byte = TELLING[chance.below(TELLING.len())];
            }
        }
        _ => {
            let other = &corpus[chance.below(corpus.len())];
            let from = chance.below(other.len() + 1);
            input.truncate(place);
            input.extend_from_slice(&other[from..]);
        }
    }
    input.truncate(4096);
}

/// Pseudo-random numbers (xorshift64).
struct Chance(u64);

impl Chance {
    /// A number from 0 up to, but not including, `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
