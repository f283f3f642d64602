//! Specs of runs, all of them valid.

use rollcage_api::analysis::AnalysisRun;
use rollcage_core::{
    analysis::{self, Begin},
    clock::Clock as _,
};
use serde_json::{Map, Value, json};

use super::chance::Chance;
use crate::world::{START, TestClock};

/// The value that no object may ever hold.
pub const SECRET: &str = "hunter2-hunter2";

fn maybe(fields: &mut Map<String, Value>, chance: &Chance, key: &str, values: &[Value]) {
    // As often absent as there.
    if chance.percent(50) {
        fields.insert(key.to_owned(), chance.one_of(values).clone());
    }
}

fn metric(chance: &Chance, index: usize) -> Value {
    let name = format!("m{index}");
    let mut fields = Map::new();
    fields.insert("name".into(), name.clone().into());
    let plugin = format!("a/p{}", chance.below(2));
    let config = json!({"metric": name, "token": "{{args.token}}"});
    fields.insert("provider".into(), json!({"plugin": {plugin: config}}));
    if chance.percent(80) {
        let intervals = ["1ms", "1s", "1.5s", "10s", "30s", "5m"];
        fields.insert("interval".into(), (*chance.one_of(&intervals)).into());
    }
    maybe(
        &mut fields,
        chance,
        "count",
        &[json!(1), json!(2), json!(3), json!("{{args.count}}"), json!(6)],
    );
    maybe(
        &mut fields,
        chance,
        "failureLimit",
        &[json!(0), json!(1), json!("2"), json!(-1)],
    );
    maybe(
        &mut fields,
        chance,
        "consecutiveSuccessLimit",
        &[json!(1), json!(2), json!(3)],
    );
    maybe(&mut fields, chance, "inconclusiveLimit", &[json!(0), json!(1)]);
    maybe(
        &mut fields,
        chance,
        "consecutiveErrorLimit",
        &[json!(0), json!(1), json!(2)],
    );
    if chance.percent(25) {
        fields.insert("initialDelay".into(), (*chance.one_of(&["0s", "7s", "1m"])).into());
    }
    fields.into()
}

/// A spec that a run can be made of.
pub fn spec(chance: &Chance) -> Value {
    let clock = TestClock::new(START.parse().unwrap());
    loop {
        let metrics: Vec<Value> = (0..=chance.below(3)).map(|index| metric(chance, index)).collect();
        let mut spec = json!({
            "metrics": metrics,
            "args": [
                {"name": "count", "value": "4"},
                {"name": "token", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
            ]
        });
        if chance.percent(25) {
            spec["dryRun"] = json!([{"metricName": chance.one_of(&["m0", ".*", "^m0$"])}]);
        }
        if chance.percent(40) {
            spec["measurementRetention"] = json!([{"metricName": ".*", "limit": 1 + chance.below(3)}]);
        }
        if chance.percent(30) {
            spec["ttlStrategy"] = json!({"secondsAfterCompletion": 5, "secondsAfterSuccess": 9});
        }
        let run: AnalysisRun = serde_json::from_value(json!({"spec": spec})).unwrap();
        if matches!(analysis::begin(&run, clock.now()), Begin::Measure(_)) {
            return spec;
        }
    }
}
