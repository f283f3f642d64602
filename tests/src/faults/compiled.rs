//! The guests of `tests/guests`, as `cargo xtask plugins` builds them.

use std::{env, path::PathBuf};

use rollcage_core::{FaultKind, Phase};
use serde_json::json;

use super::{Act, Case};
use crate::server::Server;

/// The folder of built plugins.
pub fn folder() -> PathBuf {
    let built = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    env::var_os("ROLLCAGE_PLUGINS").map_or_else(built, PathBuf::from)
}

/// All of them; `None` when they are not built.
pub fn cases(server: &Server) -> Option<Vec<Case>> {
    let faults = folder().join("faults");
    if !faults.is_dir() {
        return None;
    }
    let case = |name: &str, kind, cause: &str| {
        let path = faults.join(format!("{name}.wasm"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let language = if name.starts_with("js-") { "JavaScript" } else { "Rust" };
        Case::run(&format!("{language}: {name}"), bytes, kind, cause)
    };
    let init = |name: &str, kind, cause: &str| Case {
        act: Act::Load,
        phase: Phase::Init,
        ..case(name, kind, cause)
    };
    let late = |name: &str, kind, cause: &str| {
        let case = case(name, kind, cause).with(json!({"instances": {"mode": "warm"}, "breaker": {"faults": 1000}}));
        Case { act: Act::Late, ..case }
    };
    let address = server.address.to_string();
    let mut hangs = case("hangs-on-http", FaultKind::HostDeadline, "waited for")
        .configured(json!({"url": server.url("/silent")}))
        .with(json!({"permissions": {"http": [address]}}))
        .within(500);
    hangs.waiting_for = Some(address);
    Some(vec![
        case("chatters", FaultKind::Log, "limits.log"),
        hangs,
        case("hoard", FaultKind::Memory, "limits.memory"),
        case("js-spin", FaultKind::Deadline, "computing").within(2000),
        case("js-throw", FaultKind::Trap, ""),
        case("js-weird-phase", FaultKind::Trap, ""),
        case("panics", FaultKind::Trap, "unreachable"),
        // Its shadow stack, which lies in linear memory, is full first.
        case("recurse", FaultKind::Stack, "the call stack in linear memory is full"),
        init("refuses-init", FaultKind::InitRefused, "--endpoint is missing"),
        case("shouts", FaultKind::Output, "limits.output"),
        case("spin", FaultKind::Deadline, "computing").within(500),
        init("spins-in-init", FaultKind::Deadline, "computing").within(500),
        case("unwraps-a-denial", FaultKind::Denied, "http: "),
        case(
            "unwraps-a-denied-object",
            FaultKind::Denied,
            "kubernetes: get secrets kube-system/admin",
        ),
        case("unwraps-a-denied-secret", FaultKind::Denied, "secrets: admin"),
        late("late-chatter", FaultKind::Log, "limits.log"),
        late("late-hoard", FaultKind::Memory, "limits.memory"),
        late("late-panic", FaultKind::Trap, "unreachable"),
        late("late-shout", FaultKind::Output, "limits.output"),
        late("late-spin", FaultKind::Deadline, "computing").within(1000),
    ])
}
