//! Counts floods of frames.
use std::time::Instant;
#[derive(Clone, Copy, Debug)]
pub struct FloodLimits {
    pub resets: u32,
    pub control_frames: u32,
    pub field_bytes: u32,
}
#[derive(Debug, thiserror::Error)]
#[error("abuse")]
pub struct Abuse;
#[derive(Debug)]
pub struct Scanner;
impl Scanner {
    pub fn new(_: FloodLimits, _: Instant) -> Scanner {
        Scanner
    }
    pub fn received(&mut self, _: &[u8], _: Instant) -> Result<(), Abuse> {
        Ok(())
    }
    pub fn is_within_head(&self) -> bool {
        false
    }
}
