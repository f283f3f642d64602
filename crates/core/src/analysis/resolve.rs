//! Arguments and what they do to metrics (spec 4.2 step 2, 4.4, 6.1).
//!
//! Metrics are resolved twice: with a placeholder for every secret, to schedule, validate and store by; and with the real
//! values, for the call alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use rollcage_api::analysis::{Argument, Metric, SecretKeyRef};
use serde::Serialize as _;

use crate::{
    secret::Masker,
    template::{self, MAX_OUTPUT, TemplateError},
};

/// What stands for a secret where its value is not needed; Argo's text.
const PLACEHOLDER: &str = "temp-for-secret";

/// Keys and values of a Secret.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// Why a run's arguments cannot be filled in. What Argo also says, it says in these words.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The text cannot be filled in.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// What was filled in is no metric any more.
    #[error("the metric, filled in, cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// No such Secret.
    #[error("secrets \"{0}\" not found")]
    NoSecret(String),
    /// The Secret cannot be read, and trying again will not help.
    #[error("{0}")]
    Refused(String),
    /// No such key.
    #[error("key '{key}' does not exist in secret '{name}'", key = .0.key, name = .0.name)]
    NoKey(SecretKeyRef),
    /// The value is no text.
    #[error("key '{key}' in secret '{name}' is not UTF-8 text", key = .0.key, name = .0.name)]
    NotText(SecretKeyRef),
}

/// Arguments with their real values.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    values: Vec<template::Argument>,
    /// Which of them come out of a Secret.
    secret: BTreeSet<String>,
    /// Masks every secret value.
    pub masker: Masker,
}

impl Arguments {
    /// What a plugin may know: names and values, secret ones empty.
    pub fn public(&self) -> Vec<(String, String)> {
        let value = |name: &str, value: &Option<String>| {
            if self.secret.contains(name) {
                String::new()
            } else {
                value.clone().unwrap_or_default()
            }
        };
        self.values
            .iter()
            .map(|(name, text)| (name.clone(), value(name, text)))
            .collect()
    }
}

fn secret_ref(argument: &Argument) -> Option<&SecretKeyRef> {
    argument.value_from.as_ref()?.secret_key_ref.as_ref()
}

/// The Secrets that the arguments need, all of the run's own namespace.
pub fn secret_names(arguments: &[Argument]) -> BTreeSet<&str> {
    arguments
        .iter()
        .filter_map(|argument| secret_ref(argument).map(|secret| secret.name.as_str()))
        .collect()
}

/// The arguments with a placeholder for every secret.
pub fn placeholders(arguments: &[Argument]) -> Arguments {
    let value = |argument: &Argument| match secret_ref(argument) {
        Some(_) => Some(PLACEHOLDER.to_owned()),
        None => argument.value.clone(),
    };
    Arguments {
        values: arguments
            .iter()
            .map(|argument| (argument.name.clone(), value(argument)))
            .collect(),
        ..Arguments::default()
    }
}

/// The arguments with their real values; a Secret that is absent from `secrets` does not exist. A secret beats a literal
/// value of the same argument.
pub fn with_secrets(arguments: &[Argument], secrets: &BTreeMap<String, SecretData>) -> Result<Arguments, ResolveError> {
    let mut resolved = Arguments::default();
    let mut hidden = Vec::new();
    for argument in arguments {
        let value = match secret_ref(argument) {
            Some(wanted) => {
                let data = secrets
                    .get(&wanted.name)
                    .ok_or_else(|| ResolveError::NoSecret(wanted.name.clone()))?;
                let value = data
                    .get(&wanted.key)
                    .ok_or_else(|| ResolveError::NoKey(wanted.clone()))?;
                let value = str::from_utf8(value).map_err(|_| ResolveError::NotText(wanted.clone()))?;
                hidden.push(value.to_owned());
                resolved.secret.insert(argument.name.clone());
                Some(value.to_owned())
            }
            None => argument.value.clone(),
        };
        resolved.values.push((argument.name.clone(), value));
    }
    resolved.masker = Masker::new(hidden);
    Ok(resolved)
}

/// One metric with its arguments filled in. `budget` starts at [`MAX_OUTPUT`] for a run.
pub fn metric(metric: &Metric, arguments: &Arguments, budget: &mut usize) -> Result<Metric, ResolveError> {
    let filled = template::fill_json(&go_json(metric)?, &arguments.values, budget)?;
    Ok(serde_json::from_str(&filled)?)
}

/// All metrics with their arguments filled in.
pub fn metrics(metrics: &[Metric], arguments: &Arguments) -> Result<Vec<Metric>, ResolveError> {
    let mut budget = MAX_OUTPUT;
    metrics
        .iter()
        .map(|each| metric(each, arguments, &mut budget))
        .collect()
}

/// A metric as Go writes it: what tags see is this text.
fn go_json(metric: &Metric) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    metric.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, GoFormatter))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Go's encoder also escapes what HTML and JavaScript would misread.
struct GoFormatter;

impl serde_json::ser::Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some((plain, c, after)) = rest.find(special).and_then(|at| {
            let (plain, tail) = rest.split_at(at);
            let mut chars = tail.chars();
            Some((plain, chars.next()?, chars.as_str()))
        }) {
            write!(writer, "{plain}\\u{:04x}", u32::from(c))?;
            rest = after;
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: serde_json::Value) -> Vec<Argument> {
        serde_json::from_value(value).unwrap()
    }

    fn a_metric(value: serde_json::Value) -> Metric {
        serde_json::from_value(value).unwrap()
    }

    fn secrets(value: &str) -> BTreeMap<String, SecretData> {
        BTreeMap::from([("s".into(), BTreeMap::from([("k".into(), value.as_bytes().to_vec())]))])
    }

    /// Spec 6.1: any string field may hold tags, the plugin's own configuration and its name included.
    #[test]
    fn every_text_of_a_metric_is_filled_in() {
        let templated = a_metric(json!({
            "name": "{{args.n}}", "interval": "{{args.i}}", "count": "{{args.c}}",
            "successCondition": "result < {{args.c}} && x > 1",
            "provider": {"plugin": {"{{args.n}}/p": {"q": ["{{args.q}}", 1.5, null]}}}
        }));
        let given = arguments(json!([
            {"name": "n", "value": "name"}, {"name": "i", "value": "30s"}, {"name": "c", "value": "3"},
            {"name": "q", "value": "say \"hi\"\n<b>\\"}
        ]));
        let filled = metrics(&[templated], &placeholders(&given)).unwrap();
        assert_eq!(
            serde_json::to_value(&filled[0]).unwrap(),
            json!({
                "name": "name", "interval": "30s", "count": "3", "successCondition": "result < 3 && x > 1",
                "provider": {"plugin": {"name/p": {"q": ["say \"hi\"\n<b>\\", 1.5, null]}}}
            })
        );
    }

    /// Spec 6.1: tags are looked for in the text that Go writes.
    #[test]
    fn messages_show_go_s_text() {
        let message = |metric| {
            metrics(&[a_metric(metric)], &Arguments::default())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            message(json!({"name": "{{ a > \"b\" }}"})),
            r#"failed to resolve {{ a \u003e \"b\" }}"#
        );
        // Closed by the ends of two objects.
        assert_eq!(
            message(json!({"name": "m", "provider": {"plugin": {"a/b": "{{oops"}}})),
            r#"failed to resolve {{oops"}}"#
        );
        // The last unresolved tag of Go's field order is the one reported.
        assert_eq!(
            message(
                json!({"name": "m", "consecutiveSuccessLimit": "{{last}}", "provider": {"web": {"url": "{{first}}"}}})
            ),
            "failed to resolve {{last}}"
        );
    }

    /// Spec 6.1: an argument with `fieldRef` alone has no value in a run.
    #[test]
    fn an_argument_without_value_fails_even_unused() {
        let given = arguments(json!([{"name": "f", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]));
        let error = metrics(&[a_metric(json!({"name": "m"}))], &placeholders(&given)).unwrap_err();
        assert_eq!(error.to_string(), r#"argument "f" was not supplied"#);
    }

    /// Spec 4.2 step 2 and 4.4: a placeholder first, then the secret, which beats a literal.
    #[test]
    fn secrets_are_placeholders_until_the_call() {
        let given = arguments(json!([
            {"name": "token", "value": "literal", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "plain", "value": "p"}
        ]));
        assert_eq!(secret_names(&given).into_iter().collect::<Vec<_>>(), ["s"]);
        let templated = a_metric(json!({"name": "m", "successCondition": "{{args.token}}"}));
        let stored = metrics(std::slice::from_ref(&templated), &placeholders(&given)).unwrap();
        assert_eq!(stored[0].success_condition, "temp-for-secret");
        let real = with_secrets(&given, &secrets("hunter2")).unwrap();
        let called = metric(&templated, &real, &mut MAX_OUTPUT.clone()).unwrap();
        assert_eq!(called.success_condition, "hunter2");
        assert_eq!(
            real.public(),
            [
                ("token".to_owned(), String::new()),
                ("plain".to_owned(), "p".to_owned())
            ]
        );
        assert_eq!(real.masker.mask("it is hunter2"), "it is *****");
    }

    #[test]
    fn what_is_missing_is_named_as_argo_names_it() {
        let given = arguments(json!([{"name": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "other"}}}]));
        let message = |secrets| with_secrets(&given, &secrets).unwrap_err().to_string();
        assert_eq!(message(BTreeMap::new()), "secrets \"s\" not found");
        assert_eq!(message(secrets("x")), "key 'other' does not exist in secret 's'");
        let binary = BTreeMap::from([("s".into(), BTreeMap::from([("other".into(), vec![0xff])]))]);
        assert_eq!(message(binary), "key 'other' in secret 's' is not UTF-8 text");
    }
}
