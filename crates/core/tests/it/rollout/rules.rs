//! Where an answer may be another one than the original's. There are no other differences.

use jiff::Timestamp;
use rollcage_core::rollout::SCALE_DOWN_ANNOTATION;
use serde_json::Value;

use crate::oracle::Answer;

/// A kind of difference.
pub(super) struct Rule {
    /// The row of `docs/compatibility.md` that tells users.
    pub(super) row: &'static str,
    ops: &'static [&'static str],
    explains: fn(request: &Value, original: &Answer, here: &Answer) -> bool,
}

impl Rule {
    pub(super) fn explains(&self, op: &str, request: &Value, original: &Answer, here: &Answer) -> bool {
        self.ops.contains(&op) && (self.explains)(request, original, here)
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        row: "Passes over Rollouts that panic",
        ops: &["rollout.traffic", "rollout.services"],
        explains: |_, original, here| {
            here.is_ok() && original.as_ref().is_err_and(|error| error.starts_with("panic: "))
        },
    },
    Rule {
        row: "Abort with `dynamicStableScale` and an explicit `abortScaleDownDelaySeconds`",
        ops: &["rollout.counts", "rollout.traffic", "rollout.scaling"],
        explains: |request, _, _| {
            let canary = &request["rollout"]["spec"]["strategy"]["canary"];
            request["rollout"]["status"]["abort"] == true
                && canary["dynamicStableScale"] == true
                && canary["trafficRouting"].is_object()
                && canary["abortScaleDownDelaySeconds"]
                    .as_i64()
                    .is_some_and(|seconds| seconds != 0)
        },
    },
    Rule {
        row: "Abort with a delay of 15 minutes or more",
        ops: &["rollout.scaling"],
        explains: |request, _, _| {
            let deadline = &request["new"]["metadata"]["annotations"][SCALE_DOWN_ANNOTATION];
            let deadline = deadline.as_str().and_then(|text| text.parse().ok());
            let now: Option<Timestamp> = request["now"].as_str().and_then(|text| text.parse().ok());
            deadline
                .zip(now)
                .is_some_and(|(deadline, now): (Timestamp, _)| deadline.duration_since(now).as_secs() >= 900)
                && (request["rollout"]["status"]["abort"] == true || request["abort"].is_string())
        },
    },
    Rule {
        row: "A step that is done when all steps are skipped",
        ops: &["rollout.advance"],
        explains: |request, original, _| {
            let steps = request["rollout"]["spec"]["strategy"]["canary"]["steps"].as_array();
            let index = original
                .as_ref()
                .ok()
                .and_then(|answer| answer["status"]["currentStepIndex"].as_u64());
            steps.is_some_and(|steps| index == u64::try_from(steps.len() + 1).ok())
        },
    },
];
