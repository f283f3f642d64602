//! Cuts bytes into lines, with a cap: what is longer is counted and dropped.

/// Longest line that is kept whole: one that is logged as JSON can carry a whole object.
const LINE: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Lines {
    kept: Vec<u8>,
    cut: usize,
}

impl Lines {
    /// Calls `line` for every line that ends in `bytes`, with the number of bytes that it is short of.
    pub(super) fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8], usize)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (first, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.kept.is_empty() && self.cut == 0 && first.len() <= LINE {
                line(first, 0);
            } else {
                self.keep(first);
                line(&self.kept, self.cut);
                self.kept.clear();
                self.cut = 0;
            }
        }
        self.keep(bytes);
    }

    /// The last line, if it did not end.
    pub(super) fn end(&mut self, mut line: impl FnMut(&[u8], usize)) {
        if !self.kept.is_empty() || self.cut > 0 {
            line(&self.kept, self.cut);
            self.kept.clear();
            self.cut = 0;
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE.saturating_sub(self.kept.len()).min(bytes.len());
        let (fits, rest) = bytes.split_at(room);
        self.kept.extend_from_slice(fits);
        self.cut += rest.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.push(&[b'x'; 10_000], |_, _| panic!("no line yet"));
        }
        assert!(lines.kept.len() == LINE && lines.kept.capacity() < 4 * LINE);
        let mut got = vec![];
        lines.push(b"y\nshort\n", |line, cut| got.push((line.len(), cut)));
        assert_eq!(got, [(LINE, 1_000_001 - LINE), (5, 0)]);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_lines(bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), size in 1usize..20) {
            let mut lines = Lines::default();
            let mut got = vec![];
            for part in bytes.chunks(size) {
                lines.push(part, |line, _| got.push(line.to_vec()));
            }
            lines.end(|line, _| got.push(line.to_vec()));
            let mut expected: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(got, expected);
        }
    }
}
