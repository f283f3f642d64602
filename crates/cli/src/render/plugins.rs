//! What is serving in a cluster, as text.

use jiff::Timestamp;
use rollcage_controller::plugins::report::{Line, Report};

use super::{style, table};

/// Digits of a digest that are shown.
const DIGEST: usize = 12;

/// The table, then every plugin that is not as it should be.
pub fn report(report: &Report) -> Vec<String> {
    let head = ["KIND", "PLUGIN", "STATE", "REPLICAS", "RUNTIME", "DIGEST", "SOURCE"];
    let mut rows = vec![head.map(style::faint).to_vec()];
    rows.extend(report.plugins.iter().map(row));
    let mut lines = table::lines(&rows);
    for plugin in report.plugins.iter().filter(|plugin| !plugin.ok) {
        lines.push(String::new());
        lines.extend(details(plugin));
    }
    lines
}

fn row(plugin: &Line) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        plugin.kind.clone(),
        plugin.name.clone(),
        state(plugin),
        replicas(plugin),
        text(&plugin.runtime),
        digest(plugin.serving_digest.as_deref()),
        text(&plugin.source),
    ]
}

fn state(plugin: &Line) -> String {
    match (plugin.state.as_str(), plugin.ready) {
        ("Disabled", _) => style::faint("Disabled"),
        ("Duplicate" | "Invalid", _) => style::bad(&plugin.state),
        ("Ready", false) => style::bad("Ready, not called"),
        (state, _) => style::state(state),
    }
}

/// In how many replicas it is as the table says.
fn replicas(plugin: &Line) -> String {
    if plugin.replicas.is_empty() {
        return "-".to_owned();
    }
    let all = plugin.replicas.len();
    let ready = plugin
        .replicas
        .iter()
        .filter(|replica| replica.state == "Ready")
        .count();
    format!("{ready}/{all}")
}

fn digest(digest: Option<&str>) -> String {
    digest.map_or_else(|| "-".to_owned(), |digest| digest.chars().take(DIGEST).collect())
}

fn details(plugin: &Line) -> Vec<String> {
    let since = plugin
        .since
        .map(|since| format!(" for {}", age(since)))
        .unwrap_or_default();
    let headline = format!("{} {}", plugin.kind, plugin.name);
    let mut lines = vec![format!(
        "{}: {}{since} ({})",
        style::strong(headline),
        state(plugin),
        plugin.object
    )];
    match &plugin.failure {
        Some(failure) => {
            lines.push(format!("  {}: {}", style::bad(&failure.phase), failure.cause));
            if !failure.hint.is_empty() {
                lines.push(format!("  {} {}", style::busy("hint:"), failure.hint));
            }
        }
        None => lines.extend(
            plugin
                .conditions
                .first()
                .filter(|unmet| !unmet.message.is_empty())
                .map(|unmet| format!("  {}: {}", style::bad(&unmet.reason), unmet.message)),
        ),
    }
    if plugin.wanted_digest.is_some()
        && plugin.serving_digest.is_some()
        && plugin.wanted_digest != plugin.serving_digest
    {
        let (serving, wanted) = (plugin.serving_digest.as_deref(), plugin.wanted_digest.as_deref());
        lines.push(format!("  serves {}, wanted is {}", digest(serving), digest(wanted)));
    }
    if plugin.breaker.as_deref().is_some_and(|breaker| breaker != "closed") {
        lines.push(format!("  breaker {}", plugin.breaker.clone().unwrap_or_default()));
    }
    let differs = plugin
        .replicas
        .iter()
        .any(|replica| replica.state != plugin.state || replica.digest != plugin.serving_digest);
    if differs {
        let rows: Vec<Vec<String>> = plugin
            .replicas
            .iter()
            .map(|replica| {
                vec![
                    format!("  {}", replica.name),
                    style::state(&replica.state),
                    digest(replica.digest.as_deref()),
                    replica.failure.clone().unwrap_or_default(),
                ]
            })
            .collect();
        lines.extend(table::lines(&rows));
    }
    lines
}

/// As kubectl tells ages.
fn age(since: Timestamp) -> String {
    let seconds = Timestamp::now().duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
