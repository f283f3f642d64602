//! Frames: twelve bytes of header, big-endian, and a body for data only.

/// Length of a header.
pub(crate) const HEADER: usize = 12;

/// Bytes that each side may send on a stream before the other says how many more. Both sides begin with it.
pub(crate) const WINDOW: u32 = 262_144;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Payload; `length` is its size.
    Data,
    /// `length` more bytes may be sent.
    WindowUpdate,
    /// On stream 0: SYN asks, ACK answers with the same `length`.
    Ping,
    /// On stream 0: `length` is the reason.
    GoAway,
}

/// Bits of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u16);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// Opens a stream, or asks with a ping.
    pub(crate) const SYN: Self = Self(1);
    /// Accepts a stream, or answers a ping.
    pub(crate) const ACK: Self = Self(2);
    /// The sender sends nothing more on this stream.
    pub(crate) const FIN: Self = Self(4);
    /// The stream is gone.
    pub(crate) const RST: Self = Self(8);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Reasons to go away.
pub(crate) const AWAY_NORMAL: u32 = 0;
pub(crate) const AWAY_PROTOCOL: u32 = 1;

/// Header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) stream: u32,
    pub(crate) length: u32,
}

/// A header that no version of the protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Only version 0 exists.
    #[error("a frame of protocol version {0}, which does not exist")]
    Version(u8),
    /// Only types 0 to 3 exist.
    #[error("a frame of type {0}, which does not exist")]
    Type(u8),
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER] {
        let kind = match self.kind {
            Kind::Data => 0,
            Kind::WindowUpdate => 1,
            Kind::Ping => 2,
            Kind::GoAway => 3,
        };
        let [f0, f1] = self.flags.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        let [l0, l1, l2, l3] = self.length.to_be_bytes();
        [0, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3]
    }

    pub(crate) fn decode(bytes: [u8; HEADER]) -> Result<Self, FrameError> {
        let [version, kind, f0, f1, s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        if version != 0 {
            return Err(FrameError::Version(version));
        }
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::WindowUpdate,
            2 => Kind::Ping,
            3 => Kind::GoAway,
            other => return Err(FrameError::Type(other)),
        };
        Ok(Self {
            kind,
            flags: Flags(u16::from_be_bytes([f0, f1])),
            stream: u32::from_be_bytes([s0, s1, s2, s3]),
            length: u32::from_be_bytes([l0, l1, l2, l3]),
        })
    }
}

/// What the parser found next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A frame begins.
    Header(Header),
    /// The next bytes of the body of the data frame that began last.
    Body(&'a [u8]),
}

/// Cuts bytes into headers and bodies, wherever the reads happened to end. It keeps twelve bytes and a count: a body is
/// handed on as it comes and never gathered here.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    header: [u8; HEADER],
    have: usize,
    body: u32,
}

impl Parser {
    /// The next piece of `input`, which moves on by it; none when `input` is used up.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, FrameError> {
        if input.is_empty() {
            return Ok(None);
        }
        if self.body > 0 {
            let wanted = usize::try_from(self.body).unwrap_or(usize::MAX).min(input.len());
            let (body, rest) = input.split_at(wanted);
            *input = rest;
            self.body -= u32::try_from(wanted).unwrap_or(self.body);
            return Ok(Some(Piece::Body(body)));
        }
        while self.have < HEADER {
            let Some((first, rest)) = input.split_first() else {
                return Ok(None);
            };
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
            }
            self.have += 1;
            *input = rest;
        }
        self.have = 0;
        let header = Header::decode(self.header)?;
        if header.kind == Kind::Data {
            self.body = header.length;
        }
        Ok(Some(Piece::Header(header)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: Kind, flags: u16, stream: u32, length: u32) -> Header {
        Header {
            kind,
            flags: Flags(flags),
            stream,
            length,
        }
    }

    #[test]
    fn headers_are_those_of_the_protocol() {
        let cases: [(Header, [u8; 12]); 4] = [
            (frame(Kind::WindowUpdate, 1, 1, 0), [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
            (frame(Kind::WindowUpdate, 4, 1, 0), [0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0]),
            (frame(Kind::Data, 0, 7, 2), [0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2]),
            (frame(Kind::Ping, 2, 0, 0), [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]),
        ];
        for (header, bytes) in cases {
            assert_eq!(header.encode(), bytes);
            assert_eq!(Header::decode(bytes), Ok(header));
        }
        assert_eq!(
            Header::decode([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(FrameError::Version(1))
        );
        assert_eq!(
            Header::decode([0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            Err(FrameError::Type(4))
        );
    }

    /// Everything that a parser says about `bytes` when they come in pieces of these sizes, bodies joined.
    fn read(bytes: &[u8], sizes: &[usize]) -> (Vec<Header>, Vec<u8>, Option<FrameError>) {
        let (mut headers, mut bodies, mut parser) = (Vec::new(), Vec::new(), Parser::default());
        let mut sizes = sizes.iter().copied().cycle();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (mut chunk, after) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
            rest = after;
            loop {
                match parser.next(&mut chunk) {
                    Ok(Some(Piece::Header(header))) => headers.push(header),
                    Ok(Some(Piece::Body(body))) => bodies.extend_from_slice(body),
                    Ok(None) => break,
                    Err(error) => return (headers, bodies, Some(error)),
                }
            }
        }
        (headers, bodies, None)
    }

    #[test]
    fn y14_a_header_split_at_every_offset() {
        let body = [9; 5];
        let headers = [
            frame(Kind::WindowUpdate, 1, 1, 7),
            frame(Kind::Data, 4, 7, 5),
            frame(Kind::Ping, 2, 0, 0x0102_0304),
        ];
        let wire = [
            &headers[0].encode()[..],
            &headers[1].encode(),
            &body,
            &headers[2].encode(),
        ]
        .concat();
        for first in 1..wire.len() {
            for second in 1..=wire.len() - first {
                let rest = wire.len() - first - second;
                let sizes = [first, second, rest.max(1)];
                assert_eq!(
                    read(&wire, &sizes),
                    (headers.to_vec(), body.to_vec(), None),
                    "{sizes:?}"
                );
            }
        }
        assert_eq!(read(&wire, &[1]), (headers.to_vec(), body.to_vec(), None));
    }

    proptest! {
        /// It does not matter where the reads end.
        #[test]
        fn y14_any_split_reads_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..400), sizes in proptest::collection::vec(1usize..40, 1..8)) {
            prop_assert_eq!(read(&bytes, &[usize::MAX]), read(&bytes, &sizes));
        }

        #[test]
        fn frames_survive_any_split(frames in proptest::collection::vec((0u16..16, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..60)), 1..10), sizes in proptest::collection::vec(1usize..20, 1..6)) {
            let (mut wire, mut headers, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
            for (flags, stream, body) in frames {
                let header = frame(Kind::Data, flags, stream, u32::try_from(body.len()).unwrap());
                wire.extend_from_slice(&header.encode());
                wire.extend_from_slice(&body);
                headers.push(header);
                bodies.extend_from_slice(&body);
            }
            prop_assert_eq!(read(&wire, &sizes), (headers, bodies, None));
        }
    }
}
