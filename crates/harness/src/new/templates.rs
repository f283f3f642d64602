//! The files of new projects, as they stand in this folder.

use rollcage_api::plugin::PluginKind;

use super::Language;

/// Path inside the project, and text with `{{name}}`.
pub fn files(kind: PluginKind, language: Language) -> Vec<(&'static str, &'static str)> {
    let (entry, input, cases) = match kind {
        PluginKind::MetricProvider => (
            include_str!("metric.entry.yaml"),
            include_str!("metric.input.yaml"),
            include_str!("metric.cases.yaml"),
        ),
        PluginKind::TrafficRouter => (
            include_str!("router.entry.yaml"),
            include_str!("router.input.yaml"),
            include_str!("router.cases.yaml"),
        ),
        PluginKind::Step => (
            include_str!("step.entry.yaml"),
            include_str!("step.input.yaml"),
            include_str!("step.cases.yaml"),
        ),
    };
    let mut files = vec![("entry.yaml", entry), ("input.yaml", input), ("cases.yaml", cases)];
    match language {
        Language::Rust => {
            let source = match kind {
                PluginKind::MetricProvider => include_str!("rust/metric.rs.txt"),
                PluginKind::TrafficRouter => include_str!("rust/router.rs.txt"),
                PluginKind::Step => include_str!("rust/step.rs.txt"),
            };
            files.extend([
                ("Cargo.toml", include_str!("rust/Cargo.toml.txt")),
                ("src/lib.rs", source),
                (".gitignore", "/target\n*.wasm\n"),
                ("README.md", include_str!("rust/README.md.txt")),
            ]);
        }
        Language::JavaScript => {
            let (source, package) = match kind {
                PluginKind::MetricProvider => {
                    (include_str!("js/metric.js.txt"), include_str!("js/metric.package.json"))
                }
                PluginKind::TrafficRouter => (include_str!("js/router.js.txt"), include_str!("js/router.package.json")),
                PluginKind::Step => (include_str!("js/step.js.txt"), include_str!("js/step.package.json")),
            };
            files.extend([
                ("package.json", package),
                ("plugin.js", source),
                (".gitignore", "/node_modules\n*.wasm\n"),
                ("README.md", include_str!("js/README.md.txt")),
            ]);
        }
    }
    files
}
