//! The host whose figures are taken, and the plugins in it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use rollcage_api::plugin::PluginKind;
use rollcage_core::host::{HostServices, HttpFailure, HttpRequest, HttpResponder, HttpResponse};
use rollcage_sandbox::Compiler;
use rollcage_tests::{
    faults::compiled,
    stage::{Place, Stage},
};
use serde_json::{Value, json};

/// Plugins of each language that are prepared.
pub(crate) const EACH: usize = 10;

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    JavaScript,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::Rust, Self::JavaScript];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The example in this language.
    fn example(self) -> &'static str {
        match self {
            Self::Rust => "prometheus.wasm",
            Self::JavaScript => "web.wasm",
        }
    }

    /// What the example is asked.
    pub(crate) fn config(self) -> Value {
        match self {
            Self::Rust => json!({"address": "http://shop.test:8080", "query": "up"}),
            Self::JavaScript => json!({"url": "http://shop.test:8080/stats", "jsonPath": "{$.successRate}"}),
        }
    }

    /// What the answer has to be.
    pub(crate) fn condition(self) -> &'static str {
        match self {
            Self::Rust => "result[0] >= 0.95",
            Self::JavaScript => "result >= 0.95",
        }
    }

    /// The rights that the example needs; nothing leaves the process.
    pub(crate) fn entry() -> Value {
        json!({"permissions": {"http": ["shop.test:8080"]}})
    }
}

/// Plugins that are no two the same, with their machine code in a cache.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) folder: PathBuf,
}

impl Prepared {
    /// In a folder that stays, so that only the first run compiles.
    pub(crate) async fn compile() -> Result<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("budgets");
        fs::create_dir_all(&folder)?;
        let prepared = Self { folder };
        eprintln!("preparing {} plugins", EACH * 2);
        let mut stage = open(&prepared.folder);
        for language in Language::ALL {
            for number in 0..EACH {
                let file = prepared.variant(language, number)?;
                stage.entry(
                    PluginKind::MetricProvider,
                    &name(language, number),
                    &location(&file),
                    &Language::entry(),
                );
            }
        }
        stage.load().await;
        stage.registry.all_ready()?;
        Ok(prepared)
    }

    /// The example with other bytes, so that nothing is shared: a custom section more.
    fn variant(&self, language: Language, number: usize) -> Result<PathBuf> {
        let mut bytes = fs::read(guest(language.example())?)?;
        bytes.extend([0, 3, 1, b'n', u8::try_from(number)?]);
        let path = self.file(language, number);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Where a plugin lies.
    pub(crate) fn file(&self, language: Language, number: usize) -> PathBuf {
        file(&self.folder, language, number)
    }
}

/// Where a prepared plugin lies.
pub(crate) fn file(folder: &Path, language: Language, number: usize) -> PathBuf {
    folder.join(format!("{}.wasm", name(language, number)))
}

/// The name of a prepared plugin.
pub(crate) fn name(language: Language, number: usize) -> String {
    format!("{}-{number}", language.name().to_lowercase())
}

/// A location as entries have it.
pub(crate) fn location(file: &Path) -> String {
    format!("file://{}", file.display())
}

/// Opens a host with its caches in `folder`.
pub(crate) fn open(folder: &Path) -> Stage {
    let host = HostServices {
        http: Some(Arc::new(Answers)),
        ..HostServices::without_cluster()
    };
    Stage::open(&place(folder), host)
}

/// Where a host's caches are in `folder`.
pub(crate) fn place(folder: &Path) -> Place {
    Place {
        store: folder.join("store"),
        code: folder.join("code"),
        compiler: Compiler::InProcess,
    }
}

/// A built guest.
pub(crate) fn guest(file: &str) -> Result<PathBuf> {
    let path = compiled::folder().join(file);
    let path = path.canonicalize().with_context(|| format!("{}", path.display()))?;
    ensure!(
        path.is_file(),
        "{} is not built: run `cargo xtask plugins`",
        path.display()
    );
    Ok(path)
}

/// Answers every request in the network's place.
#[derive(Debug)]
struct Answers;

#[async_trait]
impl HttpResponder for Answers {
    async fn respond(&self, request: &HttpRequest) -> Option<Result<HttpResponse, HttpFailure>> {
        let prometheus =
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1767225600,"1"]}]}}"#;
        let web = r#"{"successRate": 1}"#;
        let body = if request.url.contains("/api/v1/query") {
            prometheus
        } else {
            web
        };
        Some(Ok(HttpResponse {
            status: 200,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }))
    }
}
