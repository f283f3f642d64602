//! `labelSelector` and `fieldSelector`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{error::ApiError, kind::View, object::Meta};

/// A selector longer than this is refused; a URL of the real server is no longer either.
const LONGEST: usize = 32 << 10;
/// Terms of a selector: each is tried on every object.
const TERMS: usize = 128;

/// What a list or a watch wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
    /// Only this namespace; empty is all.
    pub namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

impl Selector {
    /// Reads both selectors of a request.
    pub(crate) fn parse(view: &View, namespace: &str, labels: &str, fields: &str) -> Result<Self, ApiError> {
        if labels.len() > LONGEST || fields.len() > LONGEST {
            return Err(ApiError::bad_request(format!(
                "a selector is longer than {LONGEST} bytes"
            )));
        }
        let labels = parse_labels(labels)
            .map_err(|why| ApiError::bad_request(format!("unable to parse labelSelector {labels:?}: {why}")))?;
        let fields = parse_fields(view, fields)?;
        if labels.len() + fields.len() > TERMS {
            return Err(ApiError::bad_request(format!("a selector has more than {TERMS} terms")));
        }
        Ok(Self {
            labels,
            fields,
            namespace: namespace.into(),
        })
    }

    /// Only the object of this name.
    pub(crate) fn require_name(&mut self, name: &str) {
        self.fields.push(("metadata.name".into(), true, name.into()));
    }

    /// Whether it names anything but a namespace.
    pub(crate) fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    /// Whether an object, as stored, is wanted.
    pub(crate) fn matches(&self, meta: &Meta, value: &Value) -> bool {
        (self.namespace.is_empty() || self.namespace == meta.namespace)
            && self.labels.iter().all(|requirement| requirement.holds(&meta.labels))
            && self
                .fields
                .iter()
                .all(|(path, equal, wanted)| (field(value, path) == wanted.as_str()) == *equal)
    }
}

fn field<'a>(value: &'a Value, path: &str) -> &'a str {
    let found = path.split('.').try_fold(value, |value, key| value.get(key));
    found.and_then(Value::as_str).unwrap_or_default()
}

/// Fields that the real server indexes.
fn known_fields(view: &View) -> &'static [&'static str] {
    match view.id.as_str() {
        "pods" => &[
            "spec.nodeName",
            "spec.serviceAccountName",
            "spec.restartPolicy",
            "status.phase",
            "status.podIP",
        ],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "type",
        ],
        _ => &[],
    }
}

fn parse_fields(view: &View, text: &str) -> Result<Vec<(String, bool, String)>, ApiError> {
    let mut wanted = Vec::new();
    for term in text.split(',').map(str::trim).filter(|term| !term.is_empty()) {
        let parts = term
            .split_once("!=")
            .map(|(path, value)| (path, false, value))
            .or_else(|| term.split_once("==").map(|(path, value)| (path, true, value)))
            .or_else(|| term.split_once('=').map(|(path, value)| (path, true, value)));
        let Some((path, equal, value)) = parts else {
            return Err(ApiError::bad_request(format!(
                "invalid field selector: {term:?}; can't understand it"
            )));
        };
        // In another version a field has another name; objects are compared as they are stored.
        let stored = view
            .renames
            .iter()
            .fold(path.trim().to_owned(), |path, (stored, served)| {
                match path.strip_prefix(served) {
                    Some(rest) if rest.is_empty() || rest.starts_with('.') => format!("{stored}{rest}"),
                    _ => path,
                }
            });
        let known = matches!(stored.as_str(), "metadata.name" | "metadata.namespace");
        if !known && !known_fields(view).contains(&stored.as_str()) {
            return Err(ApiError::bad_request(format!(
                "field label not supported: {}",
                path.trim()
            )));
        }
        wanted.push((stored, equal, value.trim().to_owned()));
    }
    Ok(wanted)
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Greater(than) => number().is_some_and(|number| number > *than),
            Test::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

/// `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`.
fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    split_terms(text)
        .into_iter()
        .filter(|term| !term.is_empty())
        .map(parse_term)
        .collect()
}

/// Splits at the commas outside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|c| {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
    .map(str::trim)
    .collect()
}

fn parse_term(term: &str) -> Result<Requirement, String> {
    let requirement = |key: &str, test| {
        let key = key.trim();
        crate::validate::qualified_name(key).map_err(|why| format!("key {key:?}: {why}"))?;
        Ok(Requirement { key: key.into(), test })
    };
    let one = |value: &str| {
        let value = value.trim();
        crate::validate::label_value(value).map_err(|why| format!("value {value:?}: {why}"))?;
        Ok::<_, String>(BTreeSet::from([value.to_owned()]))
    };
    let number = |value: &str| {
        value
            .trim()
            .parse()
            .map_err(|_| format!("value {:?} is not an integer", value.trim()))
    };
    if let Some(key) = term.strip_prefix('!') {
        return requirement(key, Test::Absent);
    }
    if let Some(head) = term.strip_suffix(')') {
        let (head, set) = head.split_once('(').ok_or_else(|| format!("{term:?} has no '('"))?;
        let values = set.split(',').map(one);
        let values = values.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => requirement(key, Test::In(values)),
            (Some(key), Some("notin"), None) => requirement(key, Test::NotIn(values)),
            _ => Err(format!("{term:?} is neither \"KEY in (...)\" nor \"KEY notin (...)\"")),
        };
    }
    if let Some((key, value)) = term.split_once("!=") {
        return requirement(key, Test::NotIn(one(value)?));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return requirement(key, Test::In(one(value)?));
    }
    if let Some((key, value)) = term.split_once('>') {
        return requirement(key, Test::Greater(number(value)?));
    }
    if let Some((key, value)) = term.split_once('<') {
        return requirement(key, Test::Less(number(value)?));
    }
    requirement(term, Test::Exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_mean_what_they_mean_in_kubernetes() {
        let labels: BTreeMap<String, String> = [("app", "web"), ("tier", "1"), ("empty", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let table = [
            ("", true),
            ("app=web", true),
            ("app==web,tier=1", true),
            ("app=db", false),
            ("app!=db", true),
            ("none!=x", true),
            ("app in (db, web)", true),
            ("app notin (db,web)", false),
            ("none notin (a)", true),
            ("app", true),
            ("none", false),
            ("!none", true),
            ("!app", false),
            ("tier>0,tier<2", true),
            ("tier>1", false),
            ("app>1", false),
            ("empty=", true),
            ("example.com/x!=y,app in (web)", true),
        ];
        for (text, expected) in table {
            let parsed = parse_labels(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(parsed.iter().all(|r| r.holds(&labels)), expected, "{text}");
        }
        for text in [
            "a in b",
            "a in (b",
            "=x",
            "a=b=c",
            "a>b",
            "a b",
            "a like (b)",
            "-a",
            "a=b c",
            "x/y/z",
        ] {
            assert!(parse_labels(text).is_err(), "{text}");
        }
    }
}
