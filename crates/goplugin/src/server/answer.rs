//! What is the same for all kinds: on whose behalf a call is, where its configuration is, and faults as Argo's errors.

use std::{collections::BTreeMap, sync::Arc};

use rollcage_api::{analysis::AnalysisRun, rollout::Rollout};
use rollcage_core::{Call, CallError, Fault, secret::Masker};
use rollcage_gob::wire::RpcError;
use serde_json::Value;

/// What Argo is told of a call that has no result. It puts its own words in front.
pub(super) fn text(error: &CallError) -> String {
    error.to_string()
}

/// The end of a method that answers nothing else.
pub(super) fn done(result: Result<(), CallError>) -> RpcError {
    result.map_or_else(|error| failed(&error), |()| RpcError::default())
}

pub(super) fn failed(error: &CallError) -> RpcError {
    said(text(error))
}

pub(super) fn said(mut text: String) -> RpcError {
    if text.is_empty() {
        // An empty text is no error to Argo.
        "the plugin failed without a word".clone_into(&mut text);
    }
    RpcError { error_string: text }
}

/// The fault of a lookup, as the end of a call.
pub(super) fn untried(fault: Box<Fault>) -> CallError {
    CallError::Fault(fault)
}

/// The call of an AnalysisRun. Argo's controller has written the values of its secrets into it: they are taken out, and
/// masked in whatever leaves the call.
pub(super) fn call_of_run(run: &mut AnalysisRun) -> Call {
    let (mut hidden, mut arguments) = (Vec::new(), Vec::new());
    for argument in &mut run.spec.args {
        let from = argument.value_from.as_ref();
        let value = if from.is_some_and(|from| from.secret_key_ref.is_some()) {
            hidden.extend(argument.value.take());
            String::new()
        } else {
            argument.value.clone().unwrap_or_default()
        };
        arguments.push((argument.name.clone(), value));
    }
    Call {
        secrets: Masker::new(hidden),
        arguments,
        ..Call::for_namespace(run.metadata.namespace.clone().unwrap_or_default())
    }
}

/// The call of a Rollout.
pub(super) fn call_of_rollout(rollout: &Rollout) -> Call {
    Call::for_namespace(rollout.metadata.namespace.clone().unwrap_or_default())
}

/// Puts the one configuration that there is under the plugin's own name: Argo knows the plugin by the name of its entry,
/// which need not be that of the component's.
pub(super) fn own_configuration(configurations: &mut BTreeMap<String, Value>, name: &str) -> Result<(), String> {
    if configurations.contains_key(name) || configurations.is_empty() {
        return Ok(());
    }
    if configurations.len() > 1 {
        let names: Vec<&str> = configurations.keys().map(String::as_str).collect();
        return Err(format!(
            "this plugin serves {name}, and the object configures {}: give the component's entry the name of the shim's",
            names.join(", ")
        ));
    }
    *configurations = std::mem::take(configurations)
        .into_values()
        .map(|configuration| (name.to_owned(), configuration))
        .collect();
    Ok(())
}

/// A Rollout whose router's configuration is under the router's own name.
pub(super) fn routed(mut rollout: Rollout, name: &str) -> Result<Arc<Rollout>, String> {
    let canary = rollout.spec.strategy.canary.as_mut();
    if let Some(routing) = canary.and_then(|canary| canary.traffic_routing.as_mut()) {
        own_configuration(&mut routing.plugins, name)?;
    }
    Ok(Arc::new(rollout))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_of_a_run_and_masked() {
        let mut run: AnalysisRun = serde_json::from_value(json!({
            "metadata": {"namespace": "shop"},
            "spec": {"metrics": [], "args": [
                {"name": "host", "value": "a.b"},
                {"name": "token", "value": "hunter2", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ]},
        }))
        .unwrap();
        let call = call_of_run(&mut run);
        assert_eq!(call.namespace, "shop");
        assert_eq!(
            call.arguments,
            [("host", "a.b"), ("token", "")].map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(call.secrets.mask("it is hunter2"), "it is *****");
        assert!(!serde_json::to_string(&run).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_configuration_is_found_by_name_or_because_it_is_the_only_one() {
        let own = |configured: Value| {
            let mut configured: BTreeMap<String, Value> = serde_json::from_value(configured).unwrap();
            own_configuration(&mut configured, "a/b").map(|()| json!(configured))
        };
        assert_eq!(own(json!({})), Ok(json!({})));
        assert_eq!(own(json!({"a/b": 1, "c/d": 2})), Ok(json!({"a/b": 1, "c/d": 2})));
        assert_eq!(own(json!({"c/d": 2})), Ok(json!({"a/b": 2})));
        let error = own(json!({"c/d": 2, "e/f": 3})).unwrap_err();
        assert!(error.contains("serves a/b") && error.contains("c/d, e/f"), "{error}");
    }
}
