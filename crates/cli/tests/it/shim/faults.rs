//! What a component does wrong is the end of that call; what happens to the shim is healed by the controller's next call.

use rollcage_api::plugin::PluginKind;
use rollcage_tests::peers::Peers;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::support::{Hosted, entry, five, metric, run, shim, text};
use crate::support::plugin;

const KIND: PluginKind = PluginKind::MetricProvider;

fn input() -> Value {
    json!({"analysisRun": run(), "metric": metric(&json!({}))})
}

fn alive(shim: &mut Hosted) {
    assert_eq!(shim.call("type", &json!({})), json!({"type": "test/plugin"}));
    assert_eq!(shim.pids().len(), 1, "{}", shim.log());
}

#[test]
fn what_traps_spins_or_hoards_is_an_error_and_the_shim_stays() {
    let Some(peers) = Peers::find() else { return };
    for (guest, says) in [
        ("panics", "no requests to divide by"),
        ("spin", "deadline"),
        ("hoard", "memory"),
        ("recurse", "stack"),
        ("refuses-init", "Unavailable: "),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let limits = json!({"limits": {"deadline": "300ms", "memory": "8Mi"}});
        let file = entry(&folder, &plugin(&format!("faults/{guest}")), &limits);
        let mut shim = shim(&peers, &folder, KIND, &["--entry", file.to_str().unwrap()], &[]);
        for _ in 0..2 {
            let told = shim.ready("run", &input());
            assert_eq!(told["measurement"]["phase"], "Error", "{guest}");
            let text = text(&told);
            assert!(
                text.starts_with("failed to run via plugin: plugin test/plugin: "),
                "{text}"
            );
            assert!(text.contains(says), "{guest}: {text}");
            alive(&mut shim);
        }
    }
}

/// The controller finds it gone, and starts another one, which knows all that the first did.
#[test]
fn a_shim_that_is_killed_is_started_again_and_works() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = five();
    let grants = json!({"permissions": {"http": [server]}});
    let file = entry(&folder, &plugin("faults/metric-rules"), &grants);
    let mut shim = shim(&peers, &folder, KIND, &["--entry", file.to_str().unwrap()], &[]);
    let input = json!({"analysisRun": run(), "metric": metric(&json!({"url": format!("http://{server}/")}))});
    let measured = |answer: &Value| answer["measurement"]["phase"] == "Running";
    shim.until("run", &input, measured);
    for round in 1..=2 {
        let pid = *shim.pids().last().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        // One call may still find the one that is gone.
        shim.until("run", &input, measured);
        assert_eq!(shim.pids().len(), round + 1, "{}", shim.log());
    }
    drop(shim);
    let log = std::fs::read_to_string(folder.path().join("original.log")).unwrap();
    let last = log.rsplit("plugin started").next().unwrap();
    assert!(
        !last.contains("failed to exit gracefully") && last.contains("the shim ends"),
        "{log}"
    );
    // A killed process cannot tidy up; the one that was let go has.
    let sockets = std::fs::read_dir(folder.path()).unwrap().flatten();
    let sockets = sockets.filter(|entry| {
        let name = entry.file_name().into_string().unwrap();
        name.starts_with("plugin") && name != "plugin-bin"
    });
    assert_eq!(sockets.count(), 2);
}
