//! The schema file against Argo's own types.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::json;

use crate::oracle::Oracle;

#[test]
fn schema_is_argos() -> anyhow::Result<()> {
    let Some(mut oracle) = Oracle::start()? else {
        return Ok(());
    };
    let argo = oracle.ask("gob.schema", &json!({}))?.map_err(anyhow::Error::msg)?;
    let argo: Vec<String> = serde_json::from_value(argo)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/argo-rollouts.types");
    let text = fs::read_to_string(&file)?;
    let (head, ours): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('#'));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let lines: Vec<&str> = head.into_iter().chain(argo.iter().map(String::as_str)).collect();
        fs::write(&file, lines.join("\n") + "\n")?;
        return Ok(());
    }
    let ours: BTreeSet<_> = ours.into_iter().map(str::to_owned).collect();
    let argo: BTreeSet<_> = argo.into_iter().collect();
    let gone: Vec<_> = ours.difference(&argo).map(|line| format!("- {line}")).collect();
    let new: Vec<_> = argo.difference(&ours).map(|line| format!("+ {line}")).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "Argo's types are others; UPDATE_SCHEMA=1 takes them over:\n{}\n{}",
        gone.join("\n"),
        new.join("\n")
    );
    assert!(ours.len() > 200);
    Ok(())
}
