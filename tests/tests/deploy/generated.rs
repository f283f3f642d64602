//! What is made out of the chart, so that there is one source: the kustomize base, and the list of rights in the docs.

use std::{fmt::Write as _, fs, path::Path};

use rollcage_tests::chart::{Helm, chart, only, root};
use serde_json::{Value, json};

/// A page or manifest that a test holds against its source; `ROLLCAGE_BLESS=1` writes it anew.
fn hold(path: &Path, wanted: &str) {
    if std::env::var_os("ROLLCAGE_BLESS").is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == wanted,
        "{} is out of date: ROLLCAGE_BLESS=1 cargo test --test deploy",
        path.display()
    );
}

/// The chart with its defaults, without what is Helm's.
#[test]
fn the_kustomize_base_is_the_chart() {
    let Some(helm) = Helm::find() else { return };
    let text = helm.template(&json!({"crds": {"install": false}})).unwrap();
    let helms = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: ", "# Source: "];
    let lines = text
        .lines()
        .filter(|line| !helms.iter().any(|word| line.trim_start().starts_with(word)));
    let mut wanted = "# Rendered from deploy/chart/rollcage with its defaults: change it there, then\n\
        # ROLLCAGE_BLESS=1 cargo test --test deploy\n"
        .to_owned();
    for line in lines {
        wanted += line;
        wanted.push('\n');
    }
    hold(&root().join("deploy/kustomize/base/rollcage.yaml"), &wanted);
}

/// What the program makes of its types is what the chart brings.
#[test]
fn the_charts_custom_resource_is_the_programs() {
    let file = "plugins.rollcage.dev.yaml";
    let crd = fs::read_to_string(root().join("deploy/crd").join(file)).unwrap();
    hold(&chart().join("files").join(file), &crd);
    let Some(helm) = Helm::find() else { return };
    let objects = helm.objects(&json!({}));
    let crd: Value = serde_yaml::from_str(&crd).unwrap();
    let rendered = only(&objects, "CustomResourceDefinition");
    assert_eq!(rendered["spec"], crd["spec"]);
    assert_eq!(rendered["metadata"]["name"], crd["metadata"]["name"]);
    assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
}

#[test]
fn the_page_lists_every_right() {
    let rights: Vec<Value> =
        serde_yaml::from_str(&fs::read_to_string(chart().join("files/rights.yaml")).unwrap()).unwrap();
    let mut table = "| Where | What | Verb | What for |\n|---|---|---|---|\n".to_owned();
    for right in &rights {
        let place = match right["scope"].as_str().unwrap() {
            "objects" => "all namespaces; with `controller.namespaced` the own",
            "own" => "own namespace",
            "secrets" => "each of `rbac.analysisSecretNamespaces`",
            other => panic!("{other}"),
        };
        let list = |field: &str| -> Vec<&str> {
            let words = right[field].as_array().into_iter().flatten();
            words.map(|word| word.as_str().unwrap()).collect()
        };
        let mut what = list("resources").join(", ");
        if !list("apiGroups").join("").is_empty() {
            what = format!("{what}.{}", list("apiGroups").join(", "));
        }
        if !list("resourceNames").is_empty() {
            let names = list("resourceNames").join("`, `");
            write!(
                what,
                " named `{}`",
                names.replace("{{ lease }}", "argo-rollouts-controller-lock[-ID]")
            )
            .unwrap();
        }
        for (verb, reason) in right["verbs"].as_object().unwrap() {
            writeln!(table, "| {place} | {what} | {verb} | {} |", reason.as_str().unwrap()).unwrap();
        }
    }
    let page = root().join("docs/install.md");
    let text = fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- rights -->\n", "<!-- /rights -->");
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    hold(&page, &format!("{before}{begin}{table}{end}{after}"));
}
