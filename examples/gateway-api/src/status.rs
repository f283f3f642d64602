//! Whether the Gateways that a route belongs to have taken it as it is now.

use serde_json::Value;

/// Why a route has not taken effect; `None` when it has, as far as anybody tells.
///
/// A parent that does not accept the route carries none of its traffic, so it has no say as long as another does. What
/// is said of a parent that the route no longer names is old.
pub(crate) fn pending(route: &Value) -> Option<String> {
    let list = |pointer: &str| route.pointer(pointer).and_then(Value::as_array);
    let wanted = list("/spec/parentRefs").map(Vec::as_slice).unwrap_or_default();
    let told = list("/status/parents").map(Vec::as_slice).unwrap_or_default();
    let parents: Vec<_> = told
        .iter()
        .filter(|parent| {
            wanted
                .iter()
                .any(|wanted| is_same(wanted, parent.get("parentRef"), route))
        })
        .collect();
    let generation = route.pointer("/metadata/generation").and_then(Value::as_u64);
    let mut rejected = None;
    let mut is_accepted = parents.is_empty();
    for parent in parents {
        let name = parent
            .pointer("/parentRef/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let accepted = condition(parent, "Accepted");
        if says(accepted, "False") && is_of(accepted, generation) {
            rejected = Some(format!("not accepted by {name}: {}", reason(accepted)));
            continue;
        }
        is_accepted = true;
        for found in [accepted, condition(parent, "ResolvedRefs")] {
            if !is_of(found, generation) {
                return Some(format!("{name} has not seen this generation"));
            }
        }
        let resolved = condition(parent, "ResolvedRefs");
        if says(resolved, "False") {
            return Some(format!("{name} cannot resolve its references: {}", reason(resolved)));
        }
    }
    if is_accepted { None } else { rejected }
}

fn condition<'a>(parent: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = parent.get("conditions").and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

fn says(condition: Option<&Value>, status: &str) -> bool {
    condition
        .and_then(|condition| condition.get("status"))
        .and_then(Value::as_str)
        == Some(status)
}

fn reason(condition: Option<&Value>) -> &str {
    let reason = condition.and_then(|condition| condition.get("reason"));
    reason.and_then(Value::as_str).unwrap_or_default()
}

/// Whether a condition is about this generation of the route. One that does not say is taken for it.
fn is_of(condition: Option<&Value>, generation: Option<u64>) -> bool {
    let seen = condition.and_then(|condition| condition.get("observedGeneration"));
    match (seen.and_then(Value::as_u64), generation) {
        (Some(seen), Some(generation)) => seen >= generation,
        _ => true,
    }
}

/// Whether two references are to the same parent.
fn is_same(wanted: &Value, told: Option<&Value>, route: &Value) -> bool {
    let namespace = route
        .pointer("/metadata/namespace")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let key = |parent: &Value| {
        let text = |field: &str, default: &str| {
            let value = parent.get(field).and_then(Value::as_str);
            value.unwrap_or(default).to_owned()
        };
        (
            text("group", "gateway.networking.k8s.io"),
            text("kind", "Gateway"),
            text("namespace", namespace),
            text("name", ""),
            text("sectionName", ""),
            parent.get("port").and_then(Value::as_u64),
        )
    };
    told.is_some_and(|told| key(wanted) == key(told))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parent(name: &str, conditions: &[(&str, &str, u64)]) -> Value {
        let condition = |(kind, status, seen): &(&str, &str, u64)| json!({"type": kind, "status": status, "reason": "Because", "observedGeneration": seen});
        let conditions: Vec<_> = conditions.iter().map(condition).collect();
        json!({"parentRef": {"name": name, "namespace": "shop", "group": "gateway.networking.k8s.io"}, "conditions": conditions})
    }

    #[test]
    fn parents_tell_what_has_taken_effect() {
        let good = |name| parent(name, &[("Accepted", "True", 3), ("ResolvedRefs", "True", 3)]);
        for (parents, expected) in [
            (json!([]), None),
            (json!([good("a"), good("b")]), None),
            (json!([good("a"), parent("b", &[("Accepted", "False", 3)])]), None),
            (
                json!([parent("a", &[("Accepted", "False", 3)])]),
                Some("not accepted by a: Because"),
            ),
            (
                json!([good("a"), parent("b", &[("Accepted", "True", 2)])]),
                Some("b has not seen this generation"),
            ),
            (
                json!([parent("a", &[("Accepted", "False", 2)])]),
                Some("a has not seen this generation"),
            ),
            (
                json!([parent("a", &[("Accepted", "True", 3), ("ResolvedRefs", "False", 3)])]),
                Some("a cannot resolve its references: Because"),
            ),
            // Nobody asks it any more.
            (json!([good("a"), parent("gone", &[("Accepted", "True", 1)])]), None),
            (json!([{"parentRef": {"name": "a", "namespace": "shop"}}]), None),
        ] {
            let route = json!({
                "metadata": {"namespace": "shop", "generation": 3}, "spec": {"parentRefs": [{"name": "a"}, {"name": "b"}]},
                "status": {"parents": parents}
            });
            assert_eq!(pending(&route).as_deref(), expected, "{parents}");
        }
    }
}
