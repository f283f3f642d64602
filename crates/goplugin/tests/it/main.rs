//! The host against processes: real go-plugin servers, scripts that are none, and what is left of them.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../../tests/src/alone.rs"]
mod alone;
mod calls;
mod cases;
mod crashes;
mod files;
mod go_host;
mod handshake;
mod hangs;
mod life;
mod limits;
mod offspring;
mod output;
mod peer;
mod serve;
mod served;
mod slow;
mod starting;
mod support;
