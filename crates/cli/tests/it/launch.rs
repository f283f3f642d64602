//! The hidden mode that becomes a native plugin.

use std::process::Command;

/// Arguments of a plugin are nobody else's, whatever they look like.
#[test]
fn rollcage_becomes_the_plugin() {
    let own = std::process::id().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_rollcage"))
        .args(["launch-native", &own, "-", "64", "-", "-", "-", "-", "/bin/echo"])
        .args(["--help", "--", "--output", "json"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--help -- --output json\n");
    let output = Command::new(env!("CARGO_BIN_EXE_rollcage"))
        .arg("launch-native")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
}
