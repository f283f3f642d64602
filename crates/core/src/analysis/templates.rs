//! From the templates that a Rollout names to the spec of an AnalysisRun (spec 6.2).
//!
//! ```text
//! references -> collect (nested ones too) -> flatten (one template) -> run_spec (arguments and rules of the caller) -> spec
//! ```
//!
//! Argo follows a template that names itself for ever; here that is an error, and so is nesting without an end in sight.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use rollcage_api::{
    analysis::{AnalysisRunSpec, Argument, DryRun, MeasurementRetention, Metric},
    template::{AnalysisTemplateRef, AnalysisTemplateSpec},
};

/// Levels of templates that name templates.
const DEPTH: usize = 100;

/// Why templates make no run. What Argo also says, it says in these words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplatesError {
    /// There is none of this name.
    #[error("{} '{}' not found", kind(.0), .0.template_name)]
    NotFound(AnalysisTemplateRef),
    /// One of them leads back to itself.
    #[error("{} '{}' contains itself: {}", kind(&.0.template), .0.template.template_name, .0.path)]
    Cycle(Box<Cycle>),
    /// One that leads to one that leads to one...
    #[error("{} '{}' is nested more than {DEPTH} levels deep", kind(.0), .0.template_name)]
    TooDeep(AnalysisTemplateRef),
    /// Two metrics of the same name.
    #[error("two metrics have the same name '{0}'")]
    SameMetric(String),
    /// Two `dryRun` rules with the same pattern.
    #[error("two Dry-Run metric rules have the same name '{0}'")]
    SameDryRun(String),
    /// Two `measurementRetention` rules with the same pattern.
    #[error("two Measurement Retention metric rules have the same name '{0}'")]
    SameRetention(String),
    /// Two templates that disagree.
    #[error("Argument `{name}` specified multiple times with different values: '{first}', '{second}'")]
    TwoValues {
        /// The argument.
        name: String,
        /// What the first template says.
        first: String,
        /// What a later one says.
        second: String,
    },
    /// An argument that nobody gives a value.
    #[error("args.{0} was not resolved")]
    NoValue(String),
}

/// A template that leads back to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The template.
    pub template: AnalysisTemplateRef,
    /// The way from it to itself, by names.
    pub path: String,
}

fn kind(reference: &AnalysisTemplateRef) -> &'static str {
    if reference.cluster_scope {
        "ClusterAnalysisTemplate"
    } else {
        "AnalysisTemplate"
    }
}

/// Where templates are: a cache of those in a namespace and of those for every namespace.
pub trait Templates {
    /// The template of this name, if there is one.
    fn find(&self, reference: &AnalysisTemplateRef) -> Option<Arc<AnalysisTemplateSpec>>;
}

impl Templates for BTreeMap<AnalysisTemplateRef, Arc<AnalysisTemplateSpec>> {
    fn find(&self, reference: &AnalysisTemplateRef) -> Option<Arc<AnalysisTemplateSpec>> {
        self.get(reference).cloned()
    }
}

/// Templates in the order in which they are laid together: those of the namespace before those of the cluster, each in
/// the order of first mention, those that a template names right behind it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collected {
    namespaced: Vec<Arc<AnalysisTemplateSpec>>,
    cluster: Vec<Arc<AnalysisTemplateSpec>>,
}

impl Collected {
    /// The templates in their order.
    pub fn iter(&self) -> impl Iterator<Item = &AnalysisTemplateSpec> {
        self.namespaced.iter().chain(&self.cluster).map(AsRef::as_ref)
    }
}

/// The templates that `references` name, and those that they name.
pub fn collect(references: &[AnalysisTemplateRef], templates: &impl Templates) -> Result<Collected, TemplatesError> {
    let mut walk = Walk {
        templates,
        collected: Collected::default(),
        seen: HashSet::new(),
        path: Vec::new(),
    };
    walk.all(references)?;
    Ok(walk.collected)
}

struct Walk<'a, T> {
    templates: &'a T,
    collected: Collected,
    seen: HashSet<AnalysisTemplateRef>,
    path: Vec<AnalysisTemplateRef>,
}

impl<T: Templates> Walk<'_, T> {
    fn all(&mut self, references: &[AnalysisTemplateRef]) -> Result<(), TemplatesError> {
        references.iter().try_for_each(|reference| self.one(reference))
    }

    fn one(&mut self, reference: &AnalysisTemplateRef) -> Result<(), TemplatesError> {
        if let Some(start) = self.path.iter().position(|on_path| on_path == reference) {
            let path = self.path.iter().skip(start).chain([reference]);
            let path: Vec<&str> = path.map(|reference| reference.template_name.as_str()).collect();
            return Err(TemplatesError::Cycle(Box::new(Cycle {
                template: reference.clone(),
                path: path.join(" -> "),
            })));
        }
        if !self.seen.insert(reference.clone()) {
            return Ok(());
        }
        if self.path.len() >= DEPTH {
            return Err(TemplatesError::TooDeep(reference.clone()));
        }
        let template = self
            .templates
            .find(reference)
            .ok_or_else(|| TemplatesError::NotFound(reference.clone()))?;
        let place = if reference.cluster_scope {
            &mut self.collected.cluster
        } else {
            &mut self.collected.namespaced
        };
        place.push(Arc::clone(&template));
        self.path.push(reference.clone());
        self.all(&template.templates)?;
        self.path.pop();
        Ok(())
    }
}

/// Many templates as one, which names no others.
pub fn flatten(collected: &Collected) -> Result<AnalysisTemplateSpec, TemplatesError> {
    let metrics: Vec<Metric> = collected
        .iter()
        .flat_map(|template| &template.metrics)
        .cloned()
        .collect();
    if let Some(name) = twice(metrics.iter().map(|metric| metric.name.as_str())) {
        return Err(TemplatesError::SameMetric(name.to_owned()));
    }
    let rules = collected.iter().flat_map(|template| &template.dry_run);
    let dry_run = checked_dry_run(rules.cloned().collect())?;
    let rules = collected.iter().flat_map(|template| &template.measurement_retention);
    let measurement_retention = checked_retention(rules.cloned().collect())?;
    Ok(AnalysisTemplateSpec {
        metrics,
        dry_run,
        measurement_retention,
        args: flatten_arguments(collected.iter().flat_map(|template| &template.args))?,
        templates: Vec::new(),
    })
}

/// Arguments by name: the first that has a value counts, and two values have to be the same.
fn flatten_arguments<'a>(all: impl Iterator<Item = &'a Argument>) -> Result<Vec<Argument>, TemplatesError> {
    let mut arguments: Vec<Argument> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for argument in all {
        let place = *places.entry(&argument.name).or_insert(arguments.len());
        let Some(known) = arguments.get_mut(place) else {
            arguments.push(argument.clone());
            continue;
        };
        match (&known.value, &argument.value) {
            (Some(first), Some(second)) if first != second => {
                return Err(TemplatesError::TwoValues {
                    name: argument.name.clone(),
                    first: first.clone(),
                    second: second.clone(),
                });
            }
            (Some(_), _) => {}
            (None, _) => *known = argument.clone(),
        }
    }
    Ok(arguments)
}

/// The template's arguments with what the caller gives: a value leaves the template's reference in place, and what the
/// template does not know is left out.
pub fn merge_arguments(given: &[Argument], template: &[Argument]) -> Result<Vec<Argument>, TemplatesError> {
    let mut merged = template.to_vec();
    for argument in given {
        let Some(known) = merged.iter_mut().find(|known| known.name == argument.name) else {
            continue;
        };
        if argument.value.is_some() {
            known.value.clone_from(&argument.value);
        } else if argument.value_from.is_some() {
            known.value_from.clone_from(&argument.value_from);
        }
    }
    match merged
        .iter()
        .find(|argument| argument.value.is_none() && argument.value_from.is_none())
    {
        Some(open) => Err(TemplatesError::NoValue(open.name.clone())),
        None => Ok(merged),
    }
}

/// The spec of a run of these templates, with arguments and rules of the caller; its rules come first.
pub fn run_spec(
    collected: &Collected,
    arguments: &[Argument],
    dry_run: &[DryRun],
    retention: &[MeasurementRetention],
) -> Result<AnalysisRunSpec, TemplatesError> {
    let template = flatten(collected)?;
    Ok(AnalysisRunSpec {
        args: merge_arguments(arguments, &template.args)?,
        dry_run: checked_dry_run([dry_run, &template.dry_run].concat())?,
        measurement_retention: checked_retention([retention, &template.measurement_retention].concat())?,
        metrics: template.metrics,
        ..AnalysisRunSpec::default()
    })
}

fn checked_dry_run(rules: Vec<DryRun>) -> Result<Vec<DryRun>, TemplatesError> {
    match twice(rules.iter().map(|rule| rule.metric_name.as_str())) {
        Some(name) => Err(TemplatesError::SameDryRun(name.to_owned())),
        None => Ok(rules),
    }
}

fn checked_retention(rules: Vec<MeasurementRetention>) -> Result<Vec<MeasurementRetention>, TemplatesError> {
    match twice(rules.iter().map(|rule| rule.metric_name.as_str())) {
        Some(name) => Err(TemplatesError::SameRetention(name.to_owned())),
        None => Ok(rules),
    }
}

/// The first name that was there before.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reference(text: &str) -> AnalysisTemplateRef {
        AnalysisTemplateRef {
            template_name: text.trim_start_matches('*').to_owned(),
            cluster_scope: text.starts_with('*'),
        }
    }

    /// Names with a star are of the cluster; each has one metric of its own name.
    fn templates(named: &[(&str, &[&str])]) -> BTreeMap<AnalysisTemplateRef, Arc<AnalysisTemplateSpec>> {
        named
            .iter()
            .map(|(name, nested)| {
                let spec = AnalysisTemplateSpec {
                    metrics: vec![Metric {
                        name: (*name).to_owned(),
                        ..Metric::default()
                    }],
                    templates: nested.iter().map(|name| reference(name)).collect(),
                    ..AnalysisTemplateSpec::default()
                };
                (reference(name), Arc::new(spec))
            })
            .collect()
    }

    fn order(named: &[(&str, &[&str])], wanted: &[&str]) -> String {
        let references: Vec<_> = wanted.iter().map(|name| reference(name)).collect();
        match collect(&references, &templates(named)).and_then(|collected| flatten(&collected)) {
            Ok(flat) => {
                let metrics: Vec<&str> = flat.metrics.iter().map(|metric| metric.name.as_str()).collect();
                metrics.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    /// Spec 6.2, flattening; spec 10.28 for cycles.
    #[test]
    fn nested_templates() {
        for (named, wanted, found) in [
            (&[("a", &[][..]), ("*b", &[])][..], &["*b", "a"][..], "a *b"),
            (
                &[("a", &["c", "*b"]), ("*b", &["d"]), ("c", &[]), ("d", &[])],
                &["a"],
                "a c d *b",
            ),
            (&[("a", &["c"]), ("b", &["c"]), ("c", &[])], &["a", "b", "c"], "a c b"),
            (&[("a", &[]), ("*a", &[])], &["a", "*a", "a"], "a *a"),
            (&[("a", &["b"])], &["a"], "AnalysisTemplate 'b' not found"),
            (&[("a", &["*a"])], &["a"], "ClusterAnalysisTemplate 'a' not found"),
            (&[("a", &["a"])], &["a"], "AnalysisTemplate 'a' contains itself: a -> a"),
            (
                &[("a", &["*b"]), ("*b", &["c"]), ("c", &["*b"])],
                &["a"],
                "ClusterAnalysisTemplate 'b' contains itself: b -> c -> b",
            ),
        ] {
            assert_eq!(order(named, wanted), found, "{named:?} {wanted:?}");
        }
    }

    #[test]
    fn depth_and_breadth_are_bounded() {
        let names: Vec<String> = (0..=DEPTH).map(|n| n.to_string()).collect();
        let chain: Vec<(&str, Vec<&str>)> = names
            .iter()
            .enumerate()
            .map(|(n, name)| {
                (
                    name.as_str(),
                    names.get(n + 1).map(String::as_str).into_iter().collect(),
                )
            })
            .collect();
        let chain: Vec<(&str, &[&str])> = chain.iter().map(|(name, next)| (*name, next.as_slice())).collect();
        assert_eq!(
            order(&chain, &["0"]),
            "AnalysisTemplate '100' is nested more than 100 levels deep"
        );
        assert_eq!(order(&chain, &["1"]).split(' ').count(), DEPTH);
        // Each names the next one twice: one that was seen is not followed again.
        let twice: Vec<(&str, Vec<&str>)> = chain.iter().map(|(name, next)| (*name, next.repeat(2))).collect();
        let twice: Vec<(&str, &[&str])> = twice.iter().map(|(name, next)| (*name, next.as_slice())).collect();
        assert_eq!(order(&twice, &["1"]).split(' ').count(), DEPTH);
    }

    fn spec(value: Value) -> Arc<AnalysisTemplateSpec> {
        Arc::new(serde_json::from_value(value).unwrap())
    }

    /// Spec 6.2: flattening and merging, with every text.
    #[test]
    fn runs_of_templates() {
        let secret = json!({"secretKeyRef": {"name": "s", "key": "k"}});
        for (why, templates, given, found) in [
            (
                "a default is overridden, an unknown argument is dropped, a reference stays",
                vec![json!({"args": [{"name": "a", "value": "1"}, {"name": "b", "valueFrom": secret}]})],
                json!({"args": [{"name": "a", "value": "2"}, {"name": "b", "value": "3"}, {"name": "x", "value": "4"}]}),
                Ok(json!({
                    "metrics": [],
                    "args": [{"name": "a", "value": "2"}, {"name": "b", "value": "3", "valueFrom": secret}]
                })),
            ),
            (
                "an argument of two templates: the first value counts",
                vec![
                    json!({"args": [{"name": "a"}, {"name": "b", "value": "1"}]}),
                    json!({"args": [{"name": "b"}, {"name": "a", "value": "2"}]}),
                ],
                json!({}),
                Ok(json!({"metrics": [], "args": [{"name": "a", "value": "2"}, {"name": "b", "value": "1"}]})),
            ),
            (
                "two values",
                vec![
                    json!({"args": [{"name": "a", "value": "1"}]}),
                    json!({"args": [{"name": "a", "value": "2"}]}),
                ],
                json!({}),
                Err("Argument `a` specified multiple times with different values: '1', '2'"),
            ),
            (
                "no value",
                vec![json!({"args": [{"name": "a"}]})],
                json!({}),
                Err("args.a was not resolved"),
            ),
            (
                "metrics of the same name",
                vec![json!({"metrics": [{"name": "m"}]}), json!({"metrics": [{"name": "m"}]})],
                json!({}),
                Err("two metrics have the same name 'm'"),
            ),
            (
                "rules of the caller come first",
                vec![
                    json!({"dryRun": [{"metricName": "a"}], "measurementRetention": [{"metricName": "a", "limit": 1}]}),
                ],
                json!({"dryRun": [{"metricName": "b"}], "measurementRetention": [{"metricName": "b", "limit": 2}]}),
                Ok(json!({
                    "metrics": [], "dryRun": [{"metricName": "b"}, {"metricName": "a"}],
                    "measurementRetention": [{"metricName": "b", "limit": 2}, {"metricName": "a", "limit": 1}]
                })),
            ),
            (
                "the same rule twice",
                vec![json!({"dryRun": [{"metricName": "a"}]})],
                json!({"dryRun": [{"metricName": "a"}]}),
                Err("two Dry-Run metric rules have the same name 'a'"),
            ),
            (
                "the same rule twice",
                vec![json!({"measurementRetention": [{"metricName": "a"}, {"metricName": "a"}]})],
                json!({}),
                Err("two Measurement Retention metric rules have the same name 'a'"),
            ),
        ] {
            let collected = Collected {
                namespaced: templates.into_iter().map(spec).collect(),
                cluster: Vec::new(),
            };
            let given: AnalysisRunSpec = serde_json::from_value(given).unwrap();
            let run = run_spec(&collected, &given.args, &given.dry_run, &given.measurement_retention);
            let run = run.map(|run| serde_json::to_value(run).unwrap());
            assert_eq!(
                run.map_err(|error| error.to_string()),
                found.map_err(str::to_owned),
                "{why}"
            );
        }
    }
}
