//! Native plugins as real processes: scripts that misbehave before and at the handshake, and a real go-plugin server.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod go;
mod limits;
mod scripts;
mod serve;
mod support;
