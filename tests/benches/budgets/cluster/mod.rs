//! `rollcage controller` beside the original controller: on one control plane, in turns, with the same objects.
//!
//! ```text
//! control plane ── namespace, instance id, account of this turn alone
//!                       │
//!   turn: original, ours, original ...   process.rs  start, processor time and memory of the process alone
//!                       │
//!   idle, 500 runs, 200 runs that go on  load.rs     objects made here, ends seen by a watch, requests by the audit log
//!   10 000 runs that ended               finished.rs starts with them, and rests
//!                       │
//!   metrics of every run ────────> provider.rs  answers at once
//! ```
//!
//! Both get the same objects (`prometheus` metrics): there it is built in, here a component serves it. What is measured of a
//! process is its own; the API server, etcd and this program share the machine with it.

mod finished;
mod load;
mod process;
mod provider;
mod site;

use anyhow::{Context as _, Result};
use rollcage_tests::controlplane::{ControlPlane, Options};

use self::provider::Provider;
use crate::table::Table;

/// Turns of each side.
const TURNS: usize = 3;

/// Goals: no slower, but for what two runs of the same differ by; a fifth of the processor time; MiB at 500 runs.
const NO_SLOWER: f64 = 0.95;
const FIFTH: f64 = 5.0;
const RESIDENT: f64 = 40.0;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Original,
    Ours,
}

/// Both, in the order of their turns.
const BOTH: [Who; 2] = [Who::Original, Who::Ours];

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let plane = ControlPlane::start(&Options::default()).context("there is no control plane without Go")?;
    let provider = Provider::start().await?;
    load::warm_up(&plane, &provider).await?;
    load::measure(table, &plane, &provider).await?;
    finished::measure(table, &plane, &provider).await
}
