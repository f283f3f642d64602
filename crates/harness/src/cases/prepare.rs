//! From a cases file to cases that can be run: files read, defaults filled in, INPUT checked, everything wrong named
//! with file, line and field.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rollcage_api::{
    GoDuration,
    plugin::{PluginEntry, PluginKind},
    yaml::{Document, documents},
};
use serde_json::{Map, Value, json};

use super::file::{CallSpec, CasesFile, Expect, Given};
use crate::{
    answers::{Answers, HttpRule},
    error::CommandError,
    files::read_text,
    input::{Input, takes},
    manifests::Manifests,
    method::Method,
};

const HINT: &str = "docs/testing-plugins.md lists the fields of a cases file";
/// Largest file that a cases file names.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// When cases begin that do not say so.
const START: &str = "2026-01-01T00:00:00Z";

/// A file of cases, read.
#[derive(Debug)]
pub struct Cases {
    /// The file as it was named.
    pub path: PathBuf,
    /// What it says.
    pub file: CasesFile,
    /// The text with its places.
    document: Document,
}

/// A case that can be run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its name.
    pub name: String,
    /// The plugin's entry.
    pub entry: PluginEntry,
    /// When it begins.
    pub clock: Timestamp,
    /// Objects, Secrets included.
    pub manifests: Manifests,
    /// HTTP answers, the case's own before those of all cases.
    pub http: Vec<HttpRule>,
    /// Folder that files are relative to.
    pub dir: PathBuf,
    /// The calls.
    pub turns: Vec<PreparedTurn>,
}

/// A call that can be made.
#[derive(Clone, Debug)]
pub struct PreparedTurn {
    /// How far the clock moves before it.
    pub after: GoDuration,
    /// The method.
    pub method: Method,
    /// Its arguments.
    pub input: Input,
    /// Replaces the plugin's configuration in the arguments.
    pub config: Option<Value>,
    /// How it ends.
    pub expect: Expect,
}

impl Cases {
    /// Reads a cases file.
    pub fn read(path: &Path) -> Result<Self, CommandError> {
        let name = path.display().to_string();
        let text =
            read_text(path, MAX_FILE_BYTES).map_err(|cause| CommandError::usage(format!("{name}: {cause}"), HINT))?;
        let mut all = documents(&name, &text).into_iter();
        let document = match all.next() {
            Some(document) => document.map_err(|error| CommandError::usage(error.to_string(), HINT))?,
            None => return Err(CommandError::usage(format!("{name}: the file is empty"), HINT)),
        };
        if all.next().is_some() {
            let cause = format!("{name}: a cases file is one document");
            return Err(CommandError::usage(cause, "remove the `---`, or use a second file"));
        }
        let file: CasesFile = document
            .read()
            .map_err(|error| CommandError::usage(error.to_string(), HINT))?;
        let cases = Self {
            path: path.to_owned(),
            file,
            document,
        };
        cases.check_names()?;
        Ok(cases)
    }

    fn check_names(&self) -> Result<(), CommandError> {
        if self.file.cases.is_empty() {
            return Err(self.wrong(&["cases"], "there are no cases", HINT));
        }
        for (index, case) in self.file.cases.iter().enumerate() {
            let path = ["cases", &index.to_string(), "name"];
            if case.name.trim().is_empty() {
                return Err(self.wrong(&path, "a case has no name", "say in a few words what the case shows"));
            }
            if self.file.cases.iter().take(index).any(|other| other.name == case.name) {
                let cause = format!("there are two cases named {:?}", case.name);
                return Err(self.wrong(&path, &cause, "give each case its own name"));
            }
        }
        let from = &self.file.conformance.from;
        if !from.is_empty() && !self.file.cases.iter().any(|case| case.name == *from) {
            let cause = format!("there is no case named {from:?}");
            return Err(self.wrong(&["conformance", "from"], &cause, "name one of `cases`"));
        }
        Ok(())
    }

    /// A usage error at a field of the file.
    pub fn wrong(&self, path: &[&str], cause: &str, hint: &str) -> CommandError {
        CommandError::usage(self.document.error_at(path, cause).to_string(), hint)
    }

    /// All cases, for a plugin of this kind.
    pub fn prepare(&self, kind: PluginKind) -> Result<Vec<Prepared>, CommandError> {
        (0..self.file.cases.len())
            .filter_map(|index| self.prepare_case(index, kind).transpose())
            .collect()
    }

    fn prepare_case(&self, index: usize, kind: PluginKind) -> Result<Option<Prepared>, CommandError> {
        let Some(case) = self.file.cases.get(index) else {
            return Ok(None);
        };
        let at = index.to_string();
        let place: [&str; 2] = ["cases", &at];
        let entry = match &case.entry {
            Some(entry) => self.entry(entry, &join(&place, &["entry"]))?,
            None => match &self.file.entry {
                Some(entry) => self.entry(entry, &["entry"])?,
                None => PluginEntry::default(),
            },
        };
        let mut manifests = Manifests::default();
        self.take_given(&self.file.given, &["given"], &mut manifests)?;
        self.take_given(&case.given, &join(&place, &["given"]), &mut manifests)?;
        let namespace = manifests.config_namespace();
        for given in [&self.file.given, &case.given] {
            for (name, data) in &given.secrets {
                let secret = json!({
                    "apiVersion": "v1", "kind": "Secret", "stringData": data,
                    "metadata": {"name": name, "namespace": namespace},
                });
                manifests.push(format!("secret {name}"), secret);
            }
        }
        let http: Vec<HttpRule> = [&case.given.http, &self.file.given.http]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let turns = self.turns(index, kind)?;
        let start = case.given.clock.or(self.file.given.clock);
        Ok(Some(Prepared {
            name: case.name.clone(),
            entry,
            clock: start.or_else(|| START.parse().ok()).unwrap_or_default(),
            manifests,
            http,
            dir: self.dir(),
            turns,
        }))
    }

    fn dir(&self) -> PathBuf {
        match self.path.parent() {
            Some(dir) if dir != Path::new("") => dir.to_owned(),
            _ => PathBuf::from("."),
        }
    }

    fn entry(&self, entry: &Value, place: &[&str]) -> Result<PluginEntry, CommandError> {
        let hint = "docs/configuration.md lists the fields of an entry";
        match entry {
            Value::String(file) => {
                let (name, text) = self.file_text(file, place)?;
                rollcage_api::yaml::from_str(&name, &text).map_err(|error| CommandError::usage(error.to_string(), hint))
            }
            entry => serde_path_to_error::deserialize(entry).map_err(|error| {
                let path = error.path().to_string();
                self.wrong(&with_path(place, &path), &error.inner().to_string(), hint)
            }),
        }
    }

    /// Objects and answers, checked; Secrets come last, when the configuration's namespace is known.
    fn take_given(&self, given: &Given, place: &[&str], manifests: &mut Manifests) -> Result<(), CommandError> {
        for path in &given.manifests {
            let full = self.dir().join(path);
            manifests.extend(if full.is_dir() {
                Manifests::read(&full, &|text| text)?
            } else {
                Manifests::read_file(&full)?
            });
        }
        let mut objects = Manifests::default();
        for (index, object) in given.objects.iter().enumerate() {
            let at = index.to_string();
            let path = join(place, &["objects", &at]);
            objects.push(
                self.document.error_at(&path, "").to_string(),
                Value::Object(object.clone()),
            );
            if let Some(problem) = objects.problems.pop() {
                let cause = problem.rsplit(": ").next().unwrap_or_default().to_owned();
                return Err(self.wrong(&path, &cause, "an object has apiVersion, kind and metadata.name"));
            }
        }
        manifests.extend(objects);
        Answers::without_network(&self.dir(), &given.http).map_err(|wrong| {
            let at = wrong.index.to_string();
            self.wrong(&join(place, &["http", &at]), &wrong.cause, wrong.hint)
        })?;
        Ok(())
    }

    /// The calls of a case: each has what it does not say from the one before.
    fn turns(&self, index: usize, kind: PluginKind) -> Result<Vec<PreparedTurn>, CommandError> {
        let Some(case) = self.file.cases.get(index) else {
            return Ok(Vec::new());
        };
        let at = index.to_string();
        let mut told = Told {
            spec: self.file.call.clone(),
            input_at: owned(&["call", "input"]),
            method_at: owned(&["call", "method"]),
        };
        told.hear(&case.call, &["cases", &at, "call"]);
        let place = ["cases", &at, "call"];
        let mut turns = vec![self.turn(&told, &place, kind, None, &case.expect)?];
        for (index, turn) in case.then.iter().enumerate() {
            let then = index.to_string();
            let place = ["cases", &at, "then", &then, "call"];
            told.hear(&turn.call, &place);
            turns.push(self.turn(&told, &place, kind, turn.after, &turn.expect)?);
        }
        Ok(turns)
    }

    fn turn(
        &self,
        told: &Told,
        place: &[&str],
        kind: PluginKind,
        after: Option<GoDuration>,
        expect: &Expect,
    ) -> Result<PreparedTurn, CommandError> {
        let spec = &told.spec;
        let method = match &spec.method {
            Some(name) => Method::of(kind, name)
                .map_err(|error| self.wrong(&borrowed(&told.method_at), &error.to_string(), error.hint()))?,
            None => Method::main_of(kind),
        };
        let (mut place, mut fields) = (owned(place), Map::new());
        match &spec.input {
            None => {}
            Some(Value::String(file)) => {
                let input_at = borrowed(&told.input_at);
                let (name, text) = self.file_text(file, &input_at)?;
                fields = rollcage_api::yaml::from_str(&name, &text)
                    .map_err(|error| CommandError::usage(error.to_string(), takes(method)))?;
            }
            Some(Value::Object(input)) => {
                place.clone_from(&told.input_at);
                fields.clone_from(input);
            }
            Some(_) => {
                let cause = "neither a file's name nor a map of arguments";
                return Err(self.wrong(&borrowed(&told.input_at), cause, &takes(method)));
            }
        }
        let mut fields = Value::Object(fields);
        if let Some(merge) = &spec.merge {
            json_patch::merge(&mut fields, merge);
        }
        let Value::Object(fields) = fields else {
            return Err(self.wrong(&borrowed(&place), "merge is no map of arguments", &takes(method)));
        };
        let input = Input::of(fields, method).map_err(|(path, cause)| {
            let place = borrowed(&place);
            self.wrong(&with_path(&place, &path), &cause, &takes(method))
        })?;
        Ok(PreparedTurn {
            after: after.unwrap_or_default(),
            method,
            input,
            config: spec.config.clone(),
            expect: expect.clone(),
        })
    }

    fn file_text(&self, file: &str, place: &[&str]) -> Result<(String, String), CommandError> {
        let path = self.dir().join(file);
        let name = path.display().to_string();
        let text = read_text(&path, MAX_FILE_BYTES).map_err(|cause| {
            self.wrong(
                place,
                &format!("{name}: {cause}"),
                "files are relative to the cases file",
            )
        })?;
        Ok((name, text))
    }
}

/// What calls so far have said.
struct Told {
    spec: CallSpec,
    input_at: Vec<String>,
    method_at: Vec<String>,
}

impl Told {
    /// A call says more. One with arguments of its own forgets what was merged into those before.
    fn hear(&mut self, more: &CallSpec, place: &[&str]) {
        if more.method.is_some() {
            self.spec.method.clone_from(&more.method);
            self.method_at = owned(&join(place, &["method"]));
        }
        if more.input.is_some() {
            self.spec.input.clone_from(&more.input);
            self.input_at = owned(&join(place, &["input"]));
            self.spec.merge = None;
        }
        if let Some(merge) = &more.merge {
            let mut merged = self.spec.merge.take().unwrap_or_else(|| json!({}));
            json_patch_keeping_nulls(&mut merged, merge);
            self.spec.merge = Some(merged);
        }
        if more.config.is_some() {
            self.spec.config.clone_from(&more.config);
        }
    }
}

/// One merge patch after another as one patch: nulls still remove.
fn json_patch_keeping_nulls(patch: &mut Value, more: &Value) {
    match (patch, more) {
        (Value::Object(patch), Value::Object(more)) => {
            for (key, value) in more {
                json_patch_keeping_nulls(patch.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (patch, more) => *patch = more.clone(),
    }
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|step| (*step).to_owned()).collect()
}

fn join<'a>(place: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    place.iter().chain(more).copied().collect()
}

/// A path of `serde_path_to_error` (`metric.provider.plugin`, `list[0]`) after a place.
fn with_path<'a>(place: &[&'a str], path: &'a str) -> Vec<&'a str> {
    let steps = path
        .split(['.', '[', ']'])
        .filter(|step| !step.is_empty() && *step != "?");
    place.iter().copied().chain(steps).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pieces of cases files, so that not every text ends at its first line.
    fn piece() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "cases:\n",
            "  - name: a\n",
            "    call: {merge: {a: [1]}}\n",
            "    entry: {limits: 7}\n",
            "    then: [{}]\n",
            "    given: {http: [{host: x, answers: [{}]}]}\n",
            "    given: {objects: [{}]}\n",
            "call: {input: x}\n",
            "    call: {input: {rollout: {metadata: 7}}}\n",
            "    call: {method: run, input: {rollout: {}}}\n",
            "    expect: {log: [{}]}\n",
            "conformance: {from: a}\n",
            "entry: [1]\n",
            "    given: {secrets: {a: {b: c}}}\n",
        ]);
        prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>()]
    }

    proptest! {
        #[test]
        fn reading_survives_anything(pieces in prop::collection::vec(piece(), 0..12)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("cases.yaml");
            std::fs::write(&path, pieces.concat()).unwrap();
            if let Ok(cases) = Cases::read(&path) {
                for kind in PluginKind::ALL {
                    if let Err(error) = cases.prepare(kind) {
                        prop_assert_eq!(error.exit_code(), 2);
                    }
                }
            }
        }
    }

    #[test]
    fn later_calls_have_what_earlier_ones_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cases.yaml");
        let text = "
call: {method: set-weight, input: {rollout: {}, desiredWeight: 1}, config: {a: 1}}
cases:
  - name: a
    call: {merge: {desiredWeight: 2, rollout: {metadata: {name: x, namespace: shop}}}}
    then:
      - call: {merge: {rollout: {metadata: {name: null}}}}
      - call: {method: remove-managed-routes, input: {rollout: {}}, config: {a: 2}}
";
        std::fs::write(&path, text).unwrap();
        let cases = Cases::read(&path).unwrap().prepare(PluginKind::TrafficRouter).unwrap();
        let turns = &cases[0].turns;
        let seen: Vec<_> = turns
            .iter()
            .map(|turn| {
                let meta = &turn.input.rollout.metadata;
                (
                    turn.method.name(),
                    turn.input.desired_weight,
                    meta.name.clone(),
                    turn.config.clone(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("set-weight", 2, Some("x".to_owned()), Some(json!({"a": 1}))),
                ("set-weight", 2, None, Some(json!({"a": 1}))),
                ("remove-managed-routes", 0, None, Some(json!({"a": 2}))),
            ]
        );
    }
}
