//! The compiler as a process of its own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rollcage_api::{ByteSize, plugin::PluginKind};
use rollcage_core::{Fault, FaultKind, Phase};
use rollcage_sandbox::{Compiler, CompilerLimits, Sandbox, SandboxConfig};

use crate::{
    guest::Guest,
    support::{digest, id},
};

async fn load(compiler: Compiler, bytes: &Arc<[u8]>) -> Result<(), Box<Fault>> {
    let dir = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::new(SandboxConfig::new(dir.path(), compiler)).unwrap();
    let loaded = sandbox
        .load(&id(PluginKind::MetricProvider), bytes, &digest(bytes))
        .await;
    let left = std::fs::read_dir(dir.path().join("aot")).unwrap().count();
    assert_eq!(left, if loaded.is_ok() { 2 } else { 0 }, "files in the cache");
    loaded.map(drop)
}

fn child(change: impl FnOnce(&mut CompilerLimits)) -> Compiler {
    let mut limits = CompilerLimits::default();
    change(&mut limits);
    Compiler::Child {
        program: PathBuf::from(env!("CARGO_BIN_EXE_rollcage-compile")),
        args: Vec::new(),
        limits,
    }
}

/// A component that is a lot of work to compile.
fn large() -> Arc<[u8]> {
    let mut guest = Guest::metric();
    let body = "(local.set 0 (i32.mul (local.get 0) (i32.const 7)))".repeat(20);
    for function in 0..800 {
        guest = guest.item(&format!(
            "(func $f{function} (param i32) (result i32) {body} (local.get 0))"
        ));
    }
    guest.build()
}

#[tokio::test]
async fn compiles() {
    load(child(|_| ()), &Guest::metric().build()).await.unwrap();
}

#[tokio::test]
async fn refuses_what_is_damaged() {
    let mut bytes = Guest::metric().build().to_vec();
    bytes.truncate(bytes.len() - 10);
    let fault = load(child(|_| ()), &bytes.into()).await.unwrap_err();
    assert_eq!(
        (fault.phase, fault.kind),
        (Phase::Compile, FaultKind::CompileFailed),
        "{fault}"
    );
}

#[tokio::test]
async fn is_stopped_at_its_limits() {
    let bytes = large();
    for (what, compiler) in [
        ("time", child(|limits| limits.time = Duration::from_millis(1))),
        ("memory", child(|limits| limits.memory = ByteSize::mebi(32))),
        ("output", child(|limits| limits.output = ByteSize(1000))),
    ] {
        let fault = load(compiler, &bytes).await.unwrap_err();
        assert_eq!(
            (fault.phase, fault.kind),
            (Phase::Compile, FaultKind::CompileLimit),
            "{what}: {fault}"
        );
    }
}

#[tokio::test]
async fn a_compiler_that_dies_is_a_fault() {
    let sh = |script: &str| Compiler::child("/bin/sh", ["-c", script].map(Into::into));
    let bytes = Guest::metric().build();
    for (script, kind, cause) in [
        (
            "kill -SEGV $$",
            FaultKind::CompileFailed,
            "the compiler crashed: signal 11",
        ),
        (
            "echo oops >&2; exit 3",
            FaultKind::CompileFailed,
            "the compiler crashed: exit code 3 oops",
        ),
        // Ends well and has written nonsense, which no engine takes.
        ("echo nonsense", FaultKind::Host, "cannot load machine code"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(SandboxConfig::new(dir.path(), sh(script))).unwrap();
        let fault = sandbox
            .load(&id(PluginKind::MetricProvider), &bytes, &digest(&bytes))
            .await
            .unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.cause.contains(cause), "{fault}");
    }
}
