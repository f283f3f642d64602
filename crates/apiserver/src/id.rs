//! UIDs and generated names: unique within a server and the same in every run, so that a run can be compared with
//! another.

/// What the real server uses after `generateName`: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A sequence of identifiers (SplitMix64, which visits every state once).
#[derive(Debug, Default)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A UID in the form of a version 4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            (low >> 48) & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }

    /// Five characters to go after `generateName`.
    pub(crate) fn suffix(&mut self) -> String {
        let mut bits = self.next();
        (0..5)
            .map(|_| {
                let at = usize::try_from(bits % ALPHABET.len() as u64).unwrap_or_default();
                bits /= ALPHABET.len() as u64;
                char::from(ALPHABET.get(at).copied().unwrap_or(b'b'))
            })
            .collect()
    }
}
