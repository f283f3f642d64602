//! `rollcage plugin bench`.

use crate::support::{plugin, rollcage, run};

#[test]
fn tells_every_figure() {
    let ended = run(rollcage()
        .args([
            "plugin",
            "bench",
            "--calls",
            "50",
            "--concurrency",
            "4",
            "--name",
            "a/b",
            "--output",
            "json",
        ])
        .arg(plugin("hello-step")));
    assert_eq!(ended.code, 0, "{ended:?}");
    let found = ended.json();
    for key in [
        "calls",
        "p50Us",
        "p90Us",
        "p99Us",
        "callsPerSecond",
        "cpuUsPerCall",
        "rssMiB",
    ] {
        assert!(found[key].as_f64().unwrap() > 0.0, "{key} in {found}");
    }
    assert_eq!(found["instance"], "fresh");
}

#[test]
fn a_budget_that_does_not_hold_is_1() {
    let ended = run(rollcage()
        .args([
            "plugin", "bench", "--calls", "20", "--name", "a/b", "--budget", "p50=1ns", "--output", "json",
        ])
        .arg(plugin("hello-step")));
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.json()["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("p50 is ")
    );
}
