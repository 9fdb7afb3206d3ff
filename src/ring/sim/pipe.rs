//! Bytes on their way in one direction of a stream, with the window that bounds them.

/// What was written and is not read.
#[derive(Debug)]
pub(super) struct Pipe {
    bytes: Vec<u8>,
    /// Where in `bytes` the unread ones start.
    start: usize,
    /// Most bytes on their way.
    pub(super) window: usize,
}

impl Pipe {
    pub(super) fn new(window: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, window }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the window lets in now.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.len())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Writes bytes, for which there is room.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(), "the window bounds what is on its way");
        // Moving the rest costs no more than was read before: each byte is moved once or less, on average.
        if self.bytes.len() <= 2 * self.start {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets the first `count` bytes, which were read.
    pub(super) fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "no more is read than was written");
        self.start += count;
        if self.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Loses all but the first `count` bytes.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bytes.truncate(self.start + count);
    }

    /// Loses everything, and the memory too: nothing more will come.
    pub(super) fn discard(&mut self) {
        self.bytes = Vec::new();
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_the_window_bounds_them() {
        let mut pipe = Pipe::new(10);
        let mut to_write = (0..=250u8).cycle();
        let mut to_read = to_write.clone();
        for count in (1..=7).cycle().take(500) {
            let bytes: Vec<u8> = to_write.by_ref().take(count.min(pipe.room())).collect();
            pipe.write(&bytes);
            let count = pipe.len().min(7 - count);
            assert!(pipe.bytes()[..count].iter().copied().eq(to_read.by_ref().take(count)));
            pipe.consume(count);
            assert!(pipe.len() <= 10);
            assert!(pipe.bytes.len() <= 30, "memory does not grow");
        }
    }

    #[test]
    fn a_narrowed_window_lets_nothing_in() {
        let mut pipe = Pipe::new(4);
        pipe.write(b"abcd");
        pipe.window = 2;
        assert_eq!(pipe.room(), 0);
        pipe.truncate(1);
        assert_eq!((pipe.bytes(), pipe.room()), (&b"a"[..], 1));
    }
}
