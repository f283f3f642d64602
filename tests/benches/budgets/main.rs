//! Measures what the budgets promise, and prints one table.
//!
//! ```text
//! cargo xtask bench [calls] [bridge] [start] [memory] [outage] [faults] [cluster] [--output json]
//!   calls   a metric plugin's Run, in turns: Argo's client with a native plugin, our registry with a Wasm plugin
//!   bridge  a native plugin's Run and SetWeight, in turns: Argo's client, our host in a process of its own, a component
//!   start   from wanted to the first answer, machine code in the cache
//!   memory  resident memory of processes of their own (this program again) with idle plugins
//!   outage  a process of its own whose plugins are cached and whose download servers are down, until all serve
//!   faults  how late calls end whose guests spin, sleep, wait or take memory
//!   cluster `rollcage controller` and the original controller in turns, on a real control plane; only when it is named
//! ```
//!
//! A ratio comes from both sides measured in turns in one run; the figures themselves are this machine's at this moment.

#![expect(
    clippy::indexing_slicing,
    reason = "of JSON, which never panics when it is written to"
)]

mod bridge;
mod calls;
mod cluster;
mod faults;
mod host;
mod memory;
mod object;
mod outage;
mod peer;
mod start;
mod stats;
mod table;

use std::{env, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::{host::Prepared, peer::Peer, table::Table};

const PARTS: [&str; 7] = ["calls", "bridge", "start", "memory", "outage", "faults", CLUSTER];

/// Takes a quarter of an hour, and a control plane: never part of everything.
const CLUSTER: &str = "cluster";

fn main() -> Result<ExitCode> {
    if env::args()
        .nth(1)
        .is_some_and(|first| first == rollcage_goplugin::LAUNCH)
    {
        return Ok(rollcage_goplugin::launcher_main(env::args_os().skip(2)));
    }
    measure_or_be_measured().map(|()| ExitCode::SUCCESS)
}

fn measure_or_be_measured() -> Result<()> {
    // `cargo bench` adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.split_first() {
        Some((first, rest)) if first == memory::CHILD => return in_runtime(memory::child(rest.to_vec())),
        Some((first, rest)) if first == outage::CHILD => return in_runtime(outage::child(rest.to_vec())),
        _ => {}
    }
    let mut parts = Vec::new();
    let mut json = false;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--output" => match rest.next() {
                Some("json") => json = true,
                Some("text") => json = false,
                other => bail!("--output is text or json, not {other:?}"),
            },
            part if PARTS.contains(&part) => parts.push(part.to_owned()),
            other => bail!("there is no benchmark {other:?}; there are {}", PARTS.join(", ")),
        }
    }
    let table = if parts.iter().any(|part| part == CLUSTER) {
        ensure!(parts.len() == 1, "{CLUSTER} is run alone: nothing else may be busy");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let mut table = Table::new(true);
        runtime.block_on(cluster::measure(&mut table))?;
        table
    } else {
        in_runtime(measure(parts))?
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&table)?);
    } else {
        println!("{table}");
    }
    Ok(())
}

async fn measure(parts: Vec<String>) -> Result<Table> {
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|argument| argument == part);
    let peer = Peer::find();
    let mut table = Table::new(peer.is_some());
    if wanted("calls") {
        calls::measure(&mut table, peer.as_ref()).await?;
    }
    if wanted("bridge") {
        bridge::measure(&mut table, peer.as_ref()).await?;
    }
    if ["start", "memory", "outage"].into_iter().any(wanted) {
        let prepared = Prepared::compile().await?;
        if wanted("start") {
            start::measure(&mut table, &prepared, peer.as_ref()).await?;
        }
        if wanted("memory") {
            memory::measure(&mut table, &prepared, peer.as_ref())?;
        }
        if wanted("outage") {
            outage::measure(&mut table, &prepared).await?;
        }
    }
    if wanted("faults") {
        faults::measure(&mut table).await?;
    }
    Ok(table)
}

/// Runs it as a task: what the caller of a plugin is in the controller.
fn in_runtime<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await.context("the benchmark panicked")? })
}
