//! From wanted to the first answer.

use std::{fs, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use rollcage_api::plugin::{PluginEntry, PluginKind};
use rollcage_core::host::HostServices;
use rollcage_store::Digest;
use rollcage_tests::stage::id;
use serde_json::json;

use crate::{
    host::{EACH, Language, Prepared, location, name, open},
    object::{Caller, analysis_run, run_of},
    peer::Peer,
    stats::{median, milliseconds},
    table::{Budget, Figure, Table},
};

/// Starts of a native plugin.
const TIMES: usize = 15;
const KIND: PluginKind = PluginKind::MetricProvider;

pub(crate) async fn measure(table: &mut Table, prepared: &Prepared, peer: Option<&Peer>) -> Result<()> {
    let original = peer.map(|peer| native(peer, prepared)).transpose()?;
    starts(table, prepared, Language::Rust, original, 1.0).await?;
    starts(table, prepared, Language::JavaScript, original, 20.0).await
}

/// In a host that runs, plugins that it does not know yet are wanted, one after the other; each is called as soon as it is
/// there.
async fn starts(
    table: &mut Table,
    prepared: &Prepared,
    language: Language,
    original: Option<Figure>,
    budget: f64,
) -> Result<()> {
    let mut stage = open(&prepared.folder);
    let (mut whole, mut sandbox) = (Vec::new(), Vec::new());
    for number in 0..EACH {
        let name = name(language, number);
        let caller = Caller::of(run_of(language, &name))?;
        let file = prepared.file(language, number);
        stage.entry(KIND, &name, &location(&file), &Language::entry());
        let began = Instant::now();
        stage.load().await;
        caller.call(stage.metric_provider(&name).as_ref()).await?;
        whole.push(milliseconds(began.elapsed()));
    }
    drop(stage);
    let stage = open(&prepared.folder);
    for number in 0..EACH {
        let name = name(language, number);
        let bytes: Arc<[u8]> = fs::read(prepared.file(language, number))?.into();
        let (id, digest) = (id(KIND, &name), Digest::of(&bytes).hex());
        let mut entry = Language::entry();
        entry["name"] = json!(id.name);
        entry["location"] = json!("file:///any");
        let entry: PluginEntry = serde_json::from_value(entry)?;
        let began = Instant::now();
        let component = stage.sandbox.load(&id, &bytes, &digest).await?;
        let plugin = stage
            .sandbox
            .plugin(&id, &component, &entry, HostServices::without_cluster())?;
        plugin.initialize().await?;
        plugin.as_metric_provider().context("no metric provider")?;
        sandbox.push(milliseconds(began.elapsed()));
    }
    let name = format!("Start of a {} plugin, machine code cached", language.name());
    table.less(
        format!("{name}: from its entry to the first answer"),
        original,
        Figure(median(whole), "ms"),
        Budget::AtMost(budget),
    );
    table.less(
        format!("{name}: of this, from its bytes to initialized"),
        None,
        Figure(median(sandbox), "ms"),
        Budget::None,
    );
    Ok(())
}

fn native(peer: &Peer, prepared: &Prepared) -> Result<Figure> {
    let file = prepared.folder.join("run.json");
    fs::write(&file, analysis_run("go", &json!({}), 2 << 10).to_string())?;
    let times = (0..TIMES).map(|_| Ok(peer.measure(&file, 1, 1)?.start_ms));
    Ok(Figure(median(times.collect::<Result<Vec<_>>>()?), "ms"))
}
