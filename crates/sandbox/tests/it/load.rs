//! What loads, and what every other component is told.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, LazyLock},
};

use proptest::{collection::vec, prelude::*, sample::Index};

use rollcage_api::plugin::PluginKind;
use rollcage_core::{Fault, FaultKind, Phase};
use rollcage_sandbox::{Compiler, Sandbox, SandboxConfig};

use crate::{
    guest::Guest,
    support::{Bench, digest, id},
};

#[tokio::test]
async fn tells_kind_contract_and_imports() {
    let bench = Bench::new();
    for (kind, guest) in [
        (PluginKind::MetricProvider, Guest::metric()),
        (PluginKind::TrafficRouter, Guest::router()),
        (PluginKind::Step, Guest::step()),
    ] {
        let plugin = bench
            .load(
                kind,
                &guest.with_log().body(
                    "describe",
                    "(call $log (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 1024)",
                ),
            )
            .await
            .unwrap();
        plugin.initialize().await.unwrap();
        let component = plugin.component();
        assert_eq!((component.kind(), component.contract()), (kind, "0.1.0"));
        assert!(component.imports().contains(&"rollcage:plugin/log@0.1.0".to_owned()));
        assert_eq!(plugin.describe().await.unwrap().summary, "");
    }
}

#[tokio::test]
async fn loads_every_patch_version_of_the_contract() {
    let guest = Guest::metric()
        .contract(|text| text.replace("@0.1.0", "@0.1.7"))
        .import(r#"(import "rollcage:plugin/log@0.1.7" "write" (func $log (param i32 i32 i32)))"#)
        .body(
            "run",
            "(call $log (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 1024)",
        );
    let plugin = Bench::new().metric(&guest).await;
    assert_eq!(plugin.component().contract(), "0.1.7");
    plugin.initialize().await.unwrap();
}

async fn refused(guest: &Guest) -> Fault {
    *Bench::new().load(PluginKind::MetricProvider, guest).await.unwrap_err()
}

#[tokio::test]
async fn refuses_other_contracts_by_name() {
    let newer = Guest::metric().contract(|text| text.replace("@0.1.0", "@0.2.0"));
    let lacking = Guest::metric().contract(|text| text.replace("get-metadata: func", "gets-metadata: func"));
    for (guest, cause) in [
        (
            Guest::router(),
            "the component is a traffic-router, configured as a metric-provider",
        ),
        (
            newer,
            "the component speaks version 0.2.0 of the contract, this host speaks 0.1.0",
        ),
        (lacking, "the component's metrics has no function get-metadata"),
    ] {
        let fault = refused(&guest).await;
        assert_eq!(
            (fault.phase, fault.kind),
            (Phase::Link, FaultKind::WrongContract),
            "{fault}"
        );
        assert_eq!(fault.cause, cause);
        assert!(!fault.hint.is_empty());
    }
}

#[tokio::test]
async fn a_function_of_another_type_is_found_before_the_first_call() {
    let guest = Guest::metric().contract(|text| text.replace("limit: u32)", "limit: u64)"));
    let plugin = Bench::new().metric(&guest).await;
    let fault = plugin.initialize().await.unwrap_err();
    assert_eq!(
        (fault.phase, fault.kind),
        (Phase::Link, FaultKind::WrongContract),
        "{fault}"
    );
    assert!(fault.cause.contains("garbage-collect"), "{fault}");
}

#[tokio::test]
async fn unknown_imports_are_named() {
    let cases = [
        (
            Guest::metric()
                .package(
                    "package acme:gpu@1.0.0; interface compute { go: func(); }",
                    "acme:gpu/compute@1.0.0",
                )
                .import(r#"(import "acme:gpu/compute@1.0.0" "go" (func $go))"#)
                .body("run", "(call $go) (i32.const 1024)"),
            "it imports acme:gpu/compute@1.0.0#go, which this host does not have",
        ),
        (
            Guest::metric()
                .contract(|text| text.replace("object: func() -> string;", "object: func() -> string; later: func();"))
                .import(r#"(import "rollcage:plugin/subject@0.1.0" "later" (func $later))"#)
                .body("run", "(call $later) (i32.const 1024)"),
            "it imports rollcage:plugin/subject@0.1.0#later, which this host does not have",
        ),
        (
            Guest::metric()
                .package(
                    "package wasi:random@0.3.0; interface random { get-random-u64: func() -> u64; }",
                    "wasi:random/random@0.3.0",
                )
                .import(r#"(import "wasi:random/random@0.3.0" "get-random-u64" (func $random (result i64)))"#)
                .body("run", "(drop (call $random)) (i32.const 1024)"),
            "it imports wasi:random/random@0.3.0#get-random-u64, which this host does not have",
        ),
    ];
    for (guest, cause) in cases {
        let fault = refused(&guest).await;
        assert_eq!(
            (fault.phase, fault.kind),
            (Phase::Link, FaultKind::UnknownImport),
            "{fault}"
        );
        assert_eq!(fault.cause, cause);
    }
}

#[tokio::test]
async fn only_binary_components_reach_the_compiler() {
    let sandbox = crate::support::sandbox();
    let component = Guest::metric().build();
    let machine_code = wasmtime::Engine::default().precompile_component(&component).unwrap();
    let mut damaged = component.to_vec();
    let middle = damaged.len() / 2;
    damaged.truncate(middle);
    for (bytes, kind, cause) in [
        (
            b"(component)".to_vec(),
            FaultKind::NotAPlugin,
            "the bytes are no WebAssembly component",
        ),
        (
            Vec::new(),
            FaultKind::NotAPlugin,
            "the bytes are no WebAssembly component",
        ),
        (
            wat::parse_str("(module)").unwrap(),
            FaultKind::NotAPlugin,
            "the bytes are a core WebAssembly module, not a component",
        ),
        (
            machine_code,
            FaultKind::NotAPlugin,
            "the bytes are machine code, which is only taken from a compiler of the host's own",
        ),
        (damaged, FaultKind::CompileFailed, "unexpected end"),
    ] {
        let bytes: Arc<[u8]> = bytes.into();
        let fault = sandbox
            .load(&id(PluginKind::MetricProvider), &bytes, &digest(&bytes))
            .await
            .unwrap_err();
        assert_eq!((fault.phase, fault.kind), (Phase::Compile, kind), "{fault}");
        assert!(fault.cause.contains(cause), "{fault}");
    }
    let fault = sandbox
        .load(&id(PluginKind::MetricProvider), &component, &"0".repeat(64))
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::DigestMismatch);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn damaged_components_end_as_faults(cuts in 0_usize..4000, flips in vec((any::<Index>(), any::<u8>()), 0..4)) {
        static BYTES: LazyLock<Arc<[u8]>> = LazyLock::new(|| Guest::metric().build());
        let mut bytes = BYTES.to_vec();
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cuts.saturating_sub(2000)));
        let bytes: Arc<[u8]> = bytes.into();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut config = SandboxConfig::new(dir.path(), Compiler::InProcess);
            config.pool.instances = 1;
            let sandbox = Sandbox::new(config).unwrap();
            // Nothing but a component or a fault; a panic of the compiler's would be one as well.
            if let Err(fault) = sandbox.load(&id(PluginKind::MetricProvider), &bytes, &digest(&bytes)).await {
                assert_ne!(fault.kind, FaultKind::Host, "{fault}");
            }
        });
    }
}

#[tokio::test]
async fn machine_code_is_made_once_and_again_when_it_was_touched() {
    let dir = tempfile::tempdir().unwrap();
    let id = id(PluginKind::MetricProvider);
    let bytes = Guest::metric().build();
    let load = async |compiler: Compiler| {
        let sandbox = Sandbox::new(SandboxConfig::new(dir.path(), compiler)).unwrap();
        sandbox.load(&id, &bytes, &digest(&bytes)).await
    };
    // Fails when it is asked to compile.
    let nobody = || Compiler::child("/nonexistent", []);
    let fault = load(nobody()).await.unwrap_err();
    assert_eq!((fault.phase, fault.kind), (Phase::Compile, FaultKind::Host), "{fault}");
    load(Compiler::InProcess).await.unwrap();
    load(nobody()).await.unwrap();

    let code = std::fs::read_dir(dir.path().join("aot"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let code = code.filter(|path| path.extension().unwrap() == "cwasm").last().unwrap();
    let mut changed = std::fs::read(&code).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&code, changed).unwrap();
    assert!(load(nobody()).await.is_err());
    load(Compiler::InProcess).await.unwrap();
    std::fs::set_permissions(&code, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(load(nobody()).await.is_err());
}

/// A folder that came with the program is used without a compiler, unless somebody else can have written to it.
#[tokio::test]
async fn machine_code_of_a_layer_is_used_when_it_is_the_systems() {
    let place = tempfile::tempdir().unwrap();
    let layer = place.path().join("layer");
    let id = id(PluginKind::MetricProvider);
    let bytes = Guest::metric().build();
    let nobody = || Compiler::child("/nonexistent", []);
    let sandbox = |compiler, layer: Option<&std::path::Path>| {
        // Nothing is in the cache.
        let cache = tempfile::tempdir_in(place.path()).unwrap().keep();
        let mut config = SandboxConfig::new(cache, compiler);
        config.layer = layer.map(std::path::Path::to_owned);
        Sandbox::new(config).unwrap()
    };
    let maker = sandbox(Compiler::InProcess, None);
    let size = maker.precompile(&id, &bytes, &layer).await.unwrap();
    assert!(size > 0);
    let load = async |layer: &std::path::Path| sandbox(nobody(), Some(layer)).load(&id, &bytes, &digest(&bytes)).await;
    if !rustix::process::geteuid().is_root() {
        // Made by somebody who could change it.
        load(&layer).await.unwrap_err();
        return;
    }
    load(&layer).await.unwrap();
    load(&place.path().join("absent")).await.unwrap_err();

    let code = std::fs::read_dir(&layer).unwrap().map(|entry| entry.unwrap().path());
    let code = code.filter(|path| path.extension().unwrap() == "cwasm").last().unwrap();
    for (path, mode, back) in [(&code, 0o666, 0o644), (&layer, 0o777, 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        load(&layer).await.unwrap_err();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(back)).unwrap();
        load(&layer).await.unwrap();
    }
    let mut changed = std::fs::read(&code).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&code, changed).unwrap();
    load(&layer).await.unwrap_err();
    // With a compiler it is no failure.
    let other = sandbox(Compiler::InProcess, Some(&layer));
    other.load(&id, &bytes, &digest(&bytes)).await.unwrap();
}
