//! Label selectors as Kubernetes objects write them.

use std::collections::BTreeMap;

use rollcage_sdk::Pair;
use serde::Deserialize;
use serde_json::Value;

/// All of it must hold; an empty one holds for everything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// What the API server is asked for.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let pairs = self.match_labels.iter();
        pairs.map(|(key, value)| Pair::new(key, value)).collect()
    }

    /// Whether an object is selected.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        let holds = |expression: &Expression| {
            let value = label(&expression.key);
            let is_listed = value.is_some_and(|value| expression.values.iter().any(|listed| listed == value));
            match expression.operator {
                Operator::In => is_listed,
                Operator::NotIn => !is_listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        };
        let mut equal = self.match_labels.iter();
        equal.all(|(key, value)| label(key) == Some(value)) && self.match_expressions.iter().all(holds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator() {
        let object = json!({"metadata": {"labels": {"team": "web", "tier": "front"}}});
        for (selector, selected) in [
            (json!({}), true),
            (json!({"matchLabels": {"team": "web"}}), true),
            (json!({"matchLabels": {"team": "web", "tier": "back"}}), false),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["a", "web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "NotIn", "values": ["web"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "Exists"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}),
                true,
            ),
        ] {
            let read: Selector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(read.matches(&object), selected, "{selector}");
        }
    }
}
