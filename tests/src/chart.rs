//! The chart of `deploy/`, rendered by the Helm that `cargo xtask helm` built, and the rights that it gives.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde::Deserialize as _;
use serde_json::Value;

/// The release in all tests.
pub const RELEASE: &str = "rollcage";
/// Its namespace.
pub const NAMESPACE: &str = "rollcage";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The chart's folder.
pub fn chart() -> PathBuf {
    root().join("deploy/chart/rollcage")
}

/// Helm.
#[derive(Clone, Debug)]
pub struct Helm {
    program: PathBuf,
}

impl Helm {
    /// Where it is. Without it this prints one line and is `None`, so that a test can skip; with `CI=true` that is a failure.
    pub fn find() -> Option<Self> {
        let program = env::var_os("ROLLCAGE_HELM").map_or_else(|| root().join("target/helm/helm"), PathBuf::from);
        if program.is_file() {
            return Some(Self { program });
        }
        assert!(
            env::var_os("CI").is_none_or(|ci| ci != "true"),
            "no Helm at {}",
            program.display()
        );
        // Past the test harness, which hides what passing tests print.
        let _ = writeln!(std::io::stderr(), "skipped: no Helm; `cargo xtask helm` builds it");
        None
    }

    /// A command that touches no files of the user's.
    pub fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(&self.program);
        for folder in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{folder}_HOME"), home.join(folder.to_lowercase()));
        }
        command.env_remove("KUBECONFIG").env("HOME", home);
        command
    }

    fn output(&self, values: &Value, arguments: &[&str]) -> Output {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.json");
        fs::write(&file, values.to_string()).unwrap();
        let mut command = self.command(folder.path());
        command.args(arguments).arg(chart()).arg("--values").arg(file);
        command.output().unwrap()
    }

    /// What `helm template` prints, without the question for Argo's CRDs; or its error.
    pub fn template(&self, values: &Value) -> Result<String, String> {
        let arguments = [
            "template",
            RELEASE,
            "--namespace",
            NAMESPACE,
            "--set",
            "skipArgoCrdCheck=true",
        ];
        said(&self.output(values, &arguments))
    }

    /// The same with what the cluster is said to have.
    pub fn template_checked(&self, versions: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["template", RELEASE, "--namespace", NAMESPACE];
        arguments.extend(versions.iter().flat_map(|version| ["--api-versions", *version]));
        said(&self.output(&Value::Object(serde_json::Map::new()), &arguments))
    }

    /// The objects that the values make.
    pub fn objects(&self, values: &Value) -> Vec<Value> {
        objects(&self.template(values).unwrap())
    }

    /// A command in a cluster, by its kubeconfig; what it prints, or its error.
    pub fn run(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let mut command = self.command(home.path());
        said(&command.env("KUBECONFIG", kubeconfig).args(arguments).output().unwrap())
    }

    /// The folder that has it, for the search path of a shell.
    pub fn folder(&self) -> &Path {
        self.program.parent().unwrap()
    }

    /// What `helm lint` finds.
    pub fn lint(&self, values: &Value) -> Result<String, String> {
        said(&self.output(values, &["lint", "--strict"]))
    }
}

fn said(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

/// Every document of a YAML text.
pub fn objects(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|object| !object.is_null())
        .collect()
}

/// The only object of a kind.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

/// One verb on one resource, as a role gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Of the Role; empty: the whole cluster.
    pub namespace: String,
    /// The role's name.
    pub role: String,
    /// API group and plural, such as `argoproj.io/analysisruns`; `/events` is of the core group.
    pub resource: String,
    /// The verb.
    pub verb: String,
    /// All names when empty.
    pub names: Vec<String>,
}

/// All rights that roles among the objects give, one by one.
pub fn rights(objects: &[Value]) -> Vec<Right> {
    let mut rights = Vec::new();
    for role in objects.iter().filter(|object| is_role(object)) {
        for rule in role["rules"].as_array().unwrap() {
            let words = |field: &str| -> Vec<String> {
                let words = rule[field].as_array().into_iter().flatten();
                words.map(|word| word.as_str().unwrap().to_owned()).collect()
            };
            for group in words("apiGroups") {
                for resource in words("resources") {
                    for verb in words("verbs") {
                        rights.push(Right {
                            namespace: role["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
                            role: role["metadata"]["name"].as_str().unwrap().to_owned(),
                            resource: format!("{group}/{resource}"),
                            verb,
                            names: words("resourceNames"),
                        });
                    }
                }
            }
        }
    }
    rights.sort();
    rights
}

/// The objects, with this one right taken out of its role.
pub fn without(objects: &[Value], right: &Right) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for role in objects.iter_mut().filter(|object| {
        is_role(object)
            && object["metadata"]["name"] == right.role.as_str()
            && object["metadata"]["namespace"].as_str().unwrap_or_default() == right.namespace
    }) {
        for rule in role["rules"].as_array_mut().unwrap() {
            let is_it = rights(&[serde_json::json!({
                "kind": "Role", "metadata": {"name": right.role.as_str(), "namespace": right.namespace.as_str()}, "rules": [rule.clone()]
            })])
            .contains(right);
            if is_it {
                rule["verbs"]
                    .as_array_mut()
                    .unwrap()
                    .retain(|verb| verb != right.verb.as_str());
            }
        }
        // A rule without verbs is refused.
        let rules = role["rules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty()));
    }
    objects
}

fn is_role(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("Role" | "ClusterRole"))
}
