//! `rollcage shim`, started and called by Argo's own client.
//!
//! ```text
//! same      every method of every kind: the answers of a native plugin of the same behaviour, and the objects left behind
//! states    not ready, ready, another kind, an entry that changes: what calls are told, without a restart
//! faults    what traps or spins is one call's end; a shim that is killed is started again
//! ```

mod faults;
mod same;
pub mod states;
mod support;

use crate::support::{rollcage, run};

/// H15.
#[test]
fn by_hand_it_says_what_it_is_for() {
    for arguments in [&["shim"][..], &["shim", "--entry", "e.yaml"]] {
        let ended = run(rollcage().args(arguments).env_remove("ARGO_ROLLOUTS_RPC_PLUGIN"));
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(lines.len(), 4, "{}", ended.stderr);
        assert!(lines[0].starts_with("This binary is a plugin.") && lines[3].contains("argo-rollouts-config"));
    }
    let ended = run(rollcage().args(["shim", "--entry", "e.yaml", "--entry-from-configmap"]));
    assert_eq!(ended.code, 2, "{}", ended.stderr);
}
