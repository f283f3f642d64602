//! Resident memory of a host with idle plugins, each with bytes of its own, each called once.

use std::{env, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use rollcage_api::plugin::PluginKind;
use serde_json::json;

use crate::{
    host::{EACH, Language, Prepared, file, location, name, open},
    object::{Caller, analysis_run, run_of},
    peer::Peer,
    stats::{median, resident_mib},
    table::{Budget, Figure, Table},
};

/// The first argument of a process that only measures itself: FOLDER LANGUAGE COUNT.
pub(crate) const CHILD: &str = "memory-of";

/// Processes of each kind.
const TIMES: usize = 5;

pub(crate) fn measure(table: &mut Table, prepared: &Prepared, peer: Option<&Peer>) -> Result<()> {
    let native = peer.map(|peer| native(peer, prepared)).transpose()?;
    let count = f64::from(u32::try_from(EACH)?);
    let (empty, _) = in_children(prepared, Language::Rust, 0)?;
    table.less("Host process without plugins", None, Figure(empty, "MiB"), Budget::None);
    for (language, budget, in_all) in [
        (Language::Rust, 1.0, Budget::AtMost(60.0)),
        (Language::JavaScript, 3.0, Budget::None),
    ] {
        // The first one brings in the host's own code as well.
        let (one, one_anonymous) = in_children(prepared, language, 1)?;
        let (many, many_anonymous) = in_children(prepared, language, EACH)?;
        table.less(
            format!("Memory of an idle {} plugin beside others", language.name()),
            native,
            Figure((many - one) / (count - 1.0), "MiB"),
            Budget::AtMost(budget),
        );
        table.less(
            "The same without pages of its machine code's file",
            None,
            Figure((many_anonymous - one_anonymous) / (count - 1.0), "MiB"),
            Budget::None,
        );
        table.less(
            format!("Host process with {EACH} idle {} plugins", language.name()),
            native.map(|native| Figure(native.0 * count, "MiB")),
            Figure(many, "MiB"),
            in_all,
        );
    }
    Ok(())
}

fn in_children(prepared: &Prepared, language: Language, count: usize) -> Result<(f64, f64)> {
    let figures = (0..TIMES).map(|_| in_child(&prepared.folder, language, count));
    let figures = figures.collect::<Result<Vec<_>>>()?;
    Ok((
        median(figures.iter().map(|figure| figure.0)),
        median(figures.iter().map(|figure| figure.1)),
    ))
}

fn in_child(folder: &Path, language: Language, count: usize) -> Result<(f64, f64)> {
    let output = Command::new(env::current_exe()?)
        .arg(CHILD)
        .arg(folder)
        .args([language.name(), &count.to_string()])
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.trim());
    let text = String::from_utf8(output.stdout)?;
    let (all, anonymous) = text.trim().split_once(' ').context("two figures")?;
    Ok((all.parse()?, anonymous.parse()?))
}

/// Loads, calls, waits, prints its own memory in MiB: all, and what is no copy of a file.
pub(crate) async fn child(arguments: Vec<String>) -> Result<()> {
    let [folder, language, count] = arguments.as_slice() else {
        bail!("{CHILD} FOLDER LANGUAGE COUNT");
    };
    let known = Language::ALL.into_iter().find(|known| known.name() == language);
    let (folder, language, count) = (Path::new(folder), known.context("LANGUAGE")?, count.parse()?);
    let mut stage = open(folder);
    for number in 0..count {
        let location = location(&file(folder, language, number));
        stage.entry(
            PluginKind::MetricProvider,
            &name(language, number),
            &location,
            &Language::entry(),
        );
    }
    stage.load().await;
    for number in 0..count {
        let name = name(language, number);
        let caller = Caller::of(run_of(language, &name))?;
        caller.call(stage.metric_provider(&name).as_ref()).await?;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (all, anonymous) = resident_mib()?;
    println!("{all} {anonymous}");
    drop(stage);
    Ok(())
}

fn native(peer: &Peer, prepared: &Prepared) -> Result<Figure> {
    let file = prepared.folder.join("run.json");
    fs::write(&file, analysis_run("go", &json!({}), 2 << 10).to_string())?;
    let measured = peer.measure(&file, 1, 1).context("memory of a native plugin")?;
    Ok(Figure(measured.plugin_rss_bytes / f64::from(1 << 20), "MiB"))
}
