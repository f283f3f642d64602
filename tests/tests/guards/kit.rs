//! Hosts for these tests, and components that ask for things and say what they got.

use std::{path::Path, sync::Arc};

use rollcage_api::plugin::PluginKind;
use rollcage_core::host::HostServices;
use rollcage_sandbox::{Compiler, egress::Names};
use rollcage_tests::{
    stage::{Place, Stage, file},
    wasi::{CONFIG_TEXT, with_contract_http, with_http},
};
use rollcage_wat_guest::{Blob, Guest};
use serde_json::Value;
use tempfile::TempDir;

/// A stage with one plugin, `test/it`.
pub struct Host {
    pub stage: Stage,
    folder: TempDir,
}

impl Host {
    pub fn new(services: HostServices) -> Self {
        Self::with_names(services, None)
    }

    /// With a resolver of one's own.
    pub fn with_names(services: HostServices, names: Option<Arc<dyn Names>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            store: folder.path().join("store"),
            code: Path::new(env!("CARGO_TARGET_TMPDIR")).join("code"),
            compiler: Compiler::child(env!("CARGO_BIN_EXE_rollcage-test-child"), ["compile".into()]),
        };
        Self {
            stage: Stage::open_with_names(&place, services, names),
            folder,
        }
    }

    /// Serves these bytes under an entry.
    pub async fn serve(&mut self, kind: PluginKind, bytes: &[u8], entry: &Value) {
        let location = file(self.folder.path(), "it.wasm", bytes);
        self.stage.entry(kind, "it", &location, entry);
        self.stage.load().await;
        assert!(
            self.stage.status(kind, "it").state.is_serving(),
            "{:?}",
            self.stage.failure(kind, "it")
        );
    }
}

/// Where the answer of [`asks`] and [`asks_wasi`] lies.
const ANSWER: u32 = 4096;

/// Asks for the address in its configuration: the value is the answer's body, the message the error.
pub fn asks() -> Arc<[u8]> {
    with_contract_http(Guest::metric())
        .item(&Blob::measurement(ANSWER).phase(1).data())
        .body(
            "run",
            &format!(
                "(call $get {CONFIG_TEXT})
                 (if (i32.load8_u (i32.const 8192))
                   (then
                     (i32.store8 (i32.const 4105) (i32.const 4))
                     (i32.store (i32.const 4108) (i32.load (i32.const 8200)))
                     (i32.store (i32.const 4112) (i32.load (i32.const 8204))))
                   (else
                     (i32.store (i32.const 4140) (i32.load (i32.const 8208)))
                     (i32.store (i32.const 4144) (i32.load (i32.const 8212)))))
                 (i32.const {ANSWER})"
            ),
        )
        .build()
}

/// Asks for `/` of the authority in its configuration, through wasi:http: fine when there was an answer.
pub fn asks_wasi() -> Arc<[u8]> {
    with_http(Guest::metric())
        .item(&Blob::measurement(ANSWER).phase(1).message("code A").data())
        .item("(data (i32.const 4000) \"/\")")
        .body(
            "run",
            &format!(
                "(local $number i32)
                 (call $ask {CONFIG_TEXT} (i32.const 4000) (i32.const 1))
                 (local.set $number)
                 (if
                   (then
                     (i32.store8 (i32.const 4105) (i32.const 4))
                     (i32.store8 (i32.add (i32.load (i32.const 4108)) (i32.const 5))
                       (i32.add (local.get $number) (i32.const 65)))))
                 (i32.const {ANSWER})"
            ),
        )
        .build()
}
