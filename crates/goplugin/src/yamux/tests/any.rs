//! Whatever comes, in whatever order: it is read, or it ends the session.

use std::task::Waker;

use proptest::prelude::*;

use super::*;
use crate::yamux::{
    frame::Parser,
    mux::{BACKLOG, Mux, OUT_HIGH, Received},
};

/// What the peer sends, or one of the session's streams does.
#[derive(Clone, Debug)]
enum Event {
    Frame(u8, u16, u32, u32),
    Bytes(Vec<u8>),
    Open,
    Accept,
    Read(u32),
    Write(u32, usize),
    Close(u32),
    Forget(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let stream = || prop_oneof![4 => 0_u32..9, 1 => any::<u32>()];
    let length = prop_oneof![4 => 0_u32..300, 1 => Just(WINDOW), 1 => Just(WINDOW / 2), 1 => any::<u32>()];
    prop_oneof![
        6 => (0_u8..4, 0_u16..16, stream(), length).prop_map(|(kind, flags, stream, length)| Event::Frame(kind, flags, stream, length)),
        1 => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Event::Bytes),
        2 => Just(Event::Open),
        2 => Just(Event::Accept),
        2 => stream().prop_map(Event::Read),
        2 => (stream(), 0_usize..400_000).prop_map(|(stream, length)| Event::Write(stream, length)),
        1 => stream().prop_map(Event::Close),
        1 => stream().prop_map(Event::Forget),
    ]
}

/// Plays the events; returns how many bytes were read, of how many that came.
fn play(role: Role, events: &[Event]) -> (usize, usize) {
    let (mut mux, mut parser, waker) = (Mux::new(role), Parser::default(), Waker::noop());
    let (mut read, mut came) = (0, 0);
    for event in events {
        match event {
            Event::Frame(kind, flags, stream, length) => {
                let mut bytes = vec![0, *kind];
                bytes.extend(flags.to_be_bytes());
                bytes.extend(stream.to_be_bytes());
                bytes.extend(length.to_be_bytes());
                // A part of a large body: the rest is whatever comes next.
                if *kind == 0 {
                    let body = usize::try_from(*length).unwrap().min(300_000);
                    bytes.resize(bytes.len() + body, 7);
                }
                came += feed(&mut mux, &mut parser, &bytes);
            }
            Event::Bytes(bytes) => came += feed(&mut mux, &mut parser, bytes),
            Event::Open => drop(mux.open(waker)),
            Event::Accept => drop(mux.accept(waker)),
            Event::Read(stream) => {
                if let Ok(Received::Bytes(bytes)) = mux.recv(*stream, waker) {
                    assert!(bytes.len() <= WINDOW as usize, "a stream held {} bytes", bytes.len());
                    read += bytes.len();
                }
            }
            Event::Write(stream, length) => drop(mux.push(*stream, Bytes::from(vec![1; *length]))),
            Event::Close(stream) => mux.close(*stream),
            Event::Forget(stream) => mux.forget(*stream),
        }
        // One frame beyond, and answers to what came with one read.
        assert!(mux.out.len() <= OUT_HIGH + (128 << 10), "{} bytes wait", mux.out.len());
        mux.sent(mux.out.len());
        if mux.failed.is_some() {
            assert!(mux.open(waker).is_err());
            break;
        }
    }
    (read, came)
}

fn feed(mux: &mut Mux, parser: &mut Parser, mut bytes: &[u8]) -> usize {
    let came = bytes.len();
    while let Some(piece) = parser.next(&mut bytes).transpose() {
        mux.piece(&piece);
        if mux.failed.is_some() {
            break;
        }
    }
    came
}

proptest! {
    #[test]
    fn any_frames_are_survived(server: bool, events in proptest::collection::vec(event(), 0..60)) {
        let role = if server { Role::Server } else { Role::Client };
        let (read, came) = play(role, &events);
        prop_assert!(read <= came);
    }
}

/// A peer that opens and opens: the rest is reset.
#[test]
fn streams_that_nobody_accepts_are_bounded() {
    let (mut mux, mut parser) = (Mux::new(Role::Server), Parser::default());
    for n in 0..10_000_u32 {
        feed(
            &mut mux,
            &mut parser,
            &frame(Kind::WindowUpdate, Flags::SYN, 2 * n + 1, 0),
        );
    }
    assert!(mux.failed.is_none());
    let resets = mux.out.len() / 12;
    assert_eq!(resets, 10_000 - BACKLOG);
}
