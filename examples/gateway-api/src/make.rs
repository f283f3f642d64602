//! Managed rules, made of the rules that split traffic: filters, timeouts and whatever else they hold stay as they are.

use rollcage_sdk::{
    Error,
    router::{MirrorRoute, RequestMatch},
};
use serde_json::{Map, Value, json};

use crate::{
    backend::{Services, backends},
    matches,
    route::Kind,
};

/// A rule whose requests with these headers all go to the canary. `None` when the source takes no such request.
pub(crate) fn header_rule(source: &Value, services: &Services<'_>, headers: &[Value]) -> Option<Value> {
    let matches: Vec<_> = matches::of(source)
        .iter()
        .filter_map(|matched| matches::with_headers(matched, headers))
        .collect();
    let mut canary = canary(source, services)?;
    canary.insert("weight".to_owned(), json!(1));
    changed(source, matches, |rule| {
        rule.insert("backendRefs".to_owned(), json!([canary]));
    })
}

/// A rule whose requests are split as before, and copied to the canary. `None` when the source takes no such request.
pub(crate) fn mirror_rule(
    kind: Kind,
    source: &Value,
    services: &Services<'_>,
    route: &MirrorRoute,
) -> Result<Option<Value>, Error> {
    let sources = matches::of(source);
    let mut matches = Vec::new();
    for wanted in &route.matches {
        for matched in narrowed(kind, &sources, wanted)? {
            if !matches.contains(&matched) {
                matches.push(matched);
            }
        }
    }
    let Some(mut target) = canary(source, services) else {
        return Ok(None);
    };
    target.retain(|field, _| matches!(field.as_str(), "group" | "kind" | "name" | "namespace" | "port"));
    let mut mirror = json!({"backendRef": target});
    if let (Some(percentage), Some(mirror)) = (route.percentage, mirror.as_object_mut()) {
        mirror.insert("percent".to_owned(), json!(percentage));
    }
    Ok(changed(source, matches, |rule| {
        let filters = rule.entry("filters").or_insert_with(|| json!([]));
        if let Some(filters) = filters.as_array_mut() {
            filters.push(json!({"type": "RequestMirror", "requestMirror": mirror}));
        }
    }))
}

fn narrowed(kind: Kind, sources: &[Value], wanted: &RequestMatch) -> Result<Vec<Value>, Error> {
    let narrowed = sources.iter().map(|source| matches::narrowed(kind, source, wanted));
    narrowed.filter_map(Result::transpose).collect()
}

/// The source's backendRef to the canary, without its weight.
fn canary(source: &Value, services: &Services<'_>) -> Option<Map<String, Value>> {
    let canary = backends(source)
        .iter()
        .find(|backend| services.is(services.canary, backend))?;
    let mut canary = canary.as_object()?.clone();
    canary.remove("weight");
    Some(canary)
}

fn changed(source: &Value, matches: Vec<Value>, change: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
    if matches.is_empty() {
        return None;
    }
    let mut rule = source.as_object()?.clone();
    rule.insert("matches".to_owned(), Value::Array(matches));
    change(&mut rule);
    Some(Value::Object(rule))
}
