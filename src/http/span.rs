//! A part of a buffer, by its position. A head is made of them.

/// Half the size of a `Range<usize>`, and `Copy`. Heads are much smaller than 4
/// GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Span {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Span {
            start: start as u32,
            end: end as u32,
        }
    }

    /// The position of `part` in `whole`. `part` must be a slice of it.
    pub fn within(whole: &[u8], part: &[u8]) -> Span {
        let start = part.as_ptr().addr() - whole.as_ptr().addr();
        Span::new(start, start + part.len())
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    pub fn of(self, buffer: &[u8]) -> &[u8] {
        &buffer[self.start as usize..self.end as usize]
    }

    pub fn of_mut(self, buffer: &mut [u8]) -> &mut [u8] {
        &mut buffer[self.start as usize..self.end as usize]
    }
}
