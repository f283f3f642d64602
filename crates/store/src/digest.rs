//! SHA-256 as entries write it.

use std::{fmt, str::FromStr};

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// It has the length of another well-known digest.
    #[error("this looks like {algorithm}: {length} hexadecimal digits, and SHA-256 has 64")]
    OtherAlgorithm {
        /// The other algorithm.
        algorithm: &'static str,
        /// Digits found.
        length: usize,
    },
    /// It has no digest's length.
    #[error("{0} hexadecimal digits, and SHA-256 has 64")]
    Length(usize),
    /// A character that is no hexadecimal digit.
    #[error("{found:?} at position {position} is no hexadecimal digit")]
    Character {
        /// The character.
        found: char,
        /// Its position, from 1.
        position: usize,
    },
}

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(crate) fn from_hasher(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// 64 lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// 64 hexadecimal digits of any case, with or without `sha256:` before them.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let text = text.trim();
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if let Some((index, found)) = digits.chars().enumerate().find(|(_, c)| !c.is_ascii_hexdigit()) {
            return Err(DigestError::Character {
                found,
                position: index + 1,
            });
        }
        let algorithm = match digits.len() {
            64 => None,
            32 => Some("MD5"),
            40 => Some("SHA-1"),
            56 => Some("SHA-224"),
            96 => Some("SHA-384"),
            128 => Some("SHA-512"),
            length => return Err(DigestError::Length(length)),
        };
        if let Some(algorithm) = algorithm {
            return Err(DigestError::OtherAlgorithm {
                algorithm,
                length: digits.len(),
            });
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, digit| byte << 4 | hex_value(*digit));
        }
        Ok(Self(bytes))
    }
}

/// The value of a hexadecimal digit.
fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn takes_any_case_and_the_prefix() {
        let digest = Digest::of(b"");
        assert_eq!(digest.hex(), EMPTY);
        for text in [EMPTY.to_owned(), EMPTY.to_uppercase(), format!(" sha256:{EMPTY}\n")] {
            assert_eq!(text.parse(), Ok(digest));
        }
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn tells_other_digests_by_their_length() {
        let cases = [
            (40, "this looks like SHA-1: 40 hexadecimal digits, and SHA-256 has 64"),
            (32, "this looks like MD5: 32 hexadecimal digits, and SHA-256 has 64"),
            (
                128,
                "this looks like SHA-512: 128 hexadecimal digits, and SHA-256 has 64",
            ),
            (63, "63 hexadecimal digits, and SHA-256 has 64"),
            (0, "0 hexadecimal digits, and SHA-256 has 64"),
        ];
        for (length, message) in cases {
            assert_eq!("a".repeat(length).parse::<Digest>().unwrap_err().to_string(), message);
        }
        let message = format!("{}é", "0".repeat(63))
            .parse::<Digest>()
            .unwrap_err()
            .to_string();
        assert_eq!(message, "'é' at position 64 is no hexadecimal digit");
    }

    proptest::proptest! {
        #[test]
        fn survives_any_text(text in "\\PC{0,140}") {
            let _ = text.parse::<Digest>();
        }
    }
}
