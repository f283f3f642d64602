//! Files of the original's that the oracle is built from, and what is changed of them on the way: imports that would bring
//! half of the original along, or of its libraries, give way to packages of ours, and functions that need more than that
//! are left out.

use anyhow::{Context, ensure};

/// A file of the original's.
pub(super) struct Borrowed {
    /// In the original's module.
    pub(super) from: &'static str,
    /// In the oracle.
    pub(super) place: &'static str,
    /// Imports, and those in their places.
    imports: &'static [(&'static str, &'static str)],
    functions: Functions,
}

enum Functions {
    /// The whole file.
    All,
    /// All functions but these.
    Without(&'static [&'static str]),
    /// These functions, and nothing else of the file; methods as `(receiver) Name`.
    Only(&'static [&'static str]),
}

const CLIENTS: &str = "k8s.io/client-go/kubernetes";
const CLUSTER: &str = "rollcage.dev/tests/oracle/original/jobs/cluster";
const RECORD: (&str, &str) = (
    "github.com/argoproj/argo-rollouts/utils/record",
    "rollcage.dev/tests/oracle/original/record",
);
const ROLLOUTS: (&str, &str) = (
    "github.com/argoproj/argo-rollouts/utils/rollout",
    "rollcage.dev/tests/oracle/original/rolloututil",
);
const SERVICES: (&str, &str) = (
    "github.com/argoproj/argo-rollouts/rollout/trafficrouting",
    "rollcage.dev/tests/oracle/original/trafficrouting",
);
const REPLICA_SETS: (&str, &str) = (
    "github.com/argoproj/argo-rollouts/utils/replicaset",
    "rollcage.dev/tests/oracle/original/replicaset",
);

pub(super) const BORROWED: &[Borrowed] = &[
    Borrowed {
        from: "analysis/analysis.go",
        place: "original/analysis.go",
        imports: &[RECORD],
        functions: Functions::All,
    },
    Borrowed {
        from: "metricproviders/job/job.go",
        place: "original/jobs/job.go",
        imports: &[
            (CLIENTS, CLUSTER),
            ("k8s.io/client-go/listers/batch/v1", CLUSTER),
            ("k8s.io/client-go/listers/core/v1", CLUSTER),
        ],
        functions: Functions::All,
    },
    Borrowed {
        from: "utils/replicaset/canary.go",
        place: "original/replicaset/canary.go",
        imports: &[],
        functions: Functions::All,
    },
    Borrowed {
        from: "utils/replicaset/bluegreen.go",
        place: "original/replicaset/bluegreen.go",
        imports: &[],
        functions: Functions::All,
    },
    Borrowed {
        from: "utils/replicaset/replicaset.go",
        place: "original/replicaset/replicaset.go",
        imports: &[
            (
                "k8s.io/kubernetes/pkg/apis/core/v1",
                "rollcage.dev/tests/oracle/original/kubernetes/defaults",
            ),
            (
                "k8s.io/kubernetes/pkg/controller",
                "rollcage.dev/tests/oracle/original/kubernetes/controller",
            ),
        ],
        functions: Functions::Without(&["GetPodsOwnedByReplicaSet"]),
    },
    Borrowed {
        from: "utils/rollout/rolloututil.go",
        place: "original/rolloututil/rolloututil.go",
        imports: &[REPLICA_SETS],
        functions: Functions::All,
    },
    Borrowed {
        from: "rollout/trafficrouting.go",
        place: "original/rollout/trafficrouting.go",
        imports: &[REPLICA_SETS, ROLLOUTS, RECORD],
        functions: Functions::Only(&[
            "(c *rolloutContext) checkReplicasAvailable",
            "(c *rolloutContext) reconcileTrafficRouting",
            "(c *rolloutContext) calculateDesiredWeightOnAbortOrStableRollback",
            "trafficWeightUpdatedMessage",
            "calculateWeightStatus",
            "(c *rolloutContext) calculateWeightDestinationsFromExperiment",
        ]),
    },
    Borrowed {
        from: "rollout/replicaset.go",
        place: "original/rollout/replicaset.go",
        imports: &[
            REPLICA_SETS,
            (
                "k8s.io/kubernetes/pkg/controller",
                "rollcage.dev/tests/oracle/original/kubernetes/controller",
            ),
        ],
        functions: Functions::Only(&[
            "(c *rolloutContext) removeScaleDownDelay",
            "(c *rolloutContext) addScaleDownDelay",
            "(c *rolloutContext) removeScaleDownDeadlines",
            "(c *rolloutContext) syncNewRSReplicasAnnotation",
            "(c *rolloutContext) reconcileNewReplicaSet",
            "(c *rolloutContext) shouldDelayScaleDownOnAbort",
            "(c *rolloutContext) reconcileOtherReplicaSets",
            "(c *rolloutContext) cleanupUnhealthyReplicas",
            "(c *rolloutContext) scaleDownDelayHelper",
            "(c *rolloutContext) isReplicaSetReferenced",
        ]),
    },
    Borrowed {
        from: "rollout/service.go",
        place: "original/rollout/service.go",
        imports: &[REPLICA_SETS, ROLLOUTS, RECORD, SERVICES],
        functions: Functions::Only(&[
            "generatePatch",
            "(c rolloutContext) switchServiceSelector",
            "(c *rolloutContext) reconcilePingAndPongService",
            "(c *rolloutContext) reconcileStableAndCanaryService",
            "(c *rolloutContext) ensureSVCTargets",
        ]),
    },
    Borrowed {
        from: "rollout/trafficrouting/service_helper.go",
        place: "original/trafficrouting/service_helper.go",
        imports: &[],
        functions: Functions::Only(&["GetStableAndCanaryServices", "IsStablePing", "IsPingPongEnabled"]),
    },
    Borrowed {
        from: "rollout/bluegreen.go",
        place: "original/rollout/bluegreen.go",
        imports: &[],
        functions: Functions::Only(&["GetScaleDownRevisionLimit"]),
    },
    Borrowed {
        from: "rollout/context.go",
        place: "original/rollout/context.go",
        imports: &[],
        functions: Functions::Only(&["(c *rolloutContext) haltProgress"]),
    },
    Borrowed {
        from: "rollout/restart.go",
        place: "original/rollout/restart.go",
        imports: &[],
        functions: Functions::Only(&["maxInt", "minInt"]),
    },
    Borrowed {
        from: "rollout/pause.go",
        place: "original/rollout/pause.go",
        imports: &[],
        functions: Functions::Without(&["(c *rolloutContext) completedPrePromotionAnalysis"]),
    },
    Borrowed {
        from: "rollout/sync.go",
        place: "original/rollout/sync.go",
        imports: &[REPLICA_SETS, RECORD],
        functions: Functions::Only(&[
            "(c *rolloutContext) checkPausedConditions",
            "isIndefiniteStep",
            "isWaitingForReplicaSetScaleDown",
            "(c *rolloutContext) evaluateProgressDeadlineAbort",
            "(c *rolloutContext) calculateRolloutConditions",
            "(c *rolloutContext) sendStateChangeEvents",
            "(c *rolloutContext) requeueStuckRollout",
            "(c *rolloutContext) getReplicaFailures",
            "(c *rolloutContext) scaleReplicaSetAndRecordEvent",
            "(c *rolloutContext) scaleReplicaSet",
            "(c *rolloutContext) calculateBaseStatus",
            "(c *rolloutContext) resetRolloutStatus",
            "(c *rolloutContext) promoteStable",
            "(c *rolloutContext) isRollback",
            "(c *rolloutContext) isFastRollback",
            "(c *rolloutContext) isRollbackWithinWindow",
            "(c *rolloutContext) shouldFullPromote",
        ]),
    },
    Borrowed {
        from: "rollout/canary.go",
        place: "original/rollout/canary.go",
        imports: &[REPLICA_SETS, ROLLOUTS, RECORD],
        functions: Functions::Only(&[
            "(c *rolloutContext) syncRolloutStatusCanary",
            "(c *rolloutContext) reconcileCanaryPause",
            "(c *rolloutContext) completedCurrentCanaryStep",
            "(c *rolloutContext) reconcileCanaryReplicaSets",
            "(c *rolloutContext) reconcileCanaryStableReplicaSet",
            "(c *rolloutContext) scaleDownOldReplicaSetsForCanary",
        ]),
    },
];

impl Borrowed {
    /// The file's text as the oracle is built with it.
    pub(super) fn changed(&self, text: &str) -> anyhow::Result<String> {
        let mut text = match self.functions {
            Functions::All => text.to_owned(),
            Functions::Without(names) => without_unused_imports(&without(text, names)?)?,
            Functions::Only(names) => without_unused_imports(&only(text, names)?)?,
        };
        for (theirs, ours) in self.imports {
            let theirs = format!("\"{theirs}\"");
            ensure!(text.contains(&theirs), "the file has changed: it imports no {theirs}");
            // Under the name that it is used by.
            let name = if theirs.contains(CLIENTS) { "kubernetes " } else { "" };
            text = text.replace(&theirs, &format!("{name}\"{ours}\""));
        }
        Ok(text)
    }
}

/// The text of a function, from its heading to the brace that ends it.
fn function<'a>(text: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let heading = format!("\nfunc {name}(");
    let from = text
        .find(&heading)
        .with_context(|| format!("the file has changed: it has no function {name}"))?;
    let rest = text.get(from..).unwrap_or_default();
    let end = rest.find("\n}\n").context("a function without an end")?;
    Ok(rest.get(..end + "\n}\n".len()).unwrap_or_default())
}

fn without(text: &str, names: &[&str]) -> anyhow::Result<String> {
    names.iter().try_fold(text.to_owned(), |text, name| {
        Ok(text.replace(function(&text, name)?, "\n"))
    })
}

fn only(text: &str, names: &[&str]) -> anyhow::Result<String> {
    let (head, _) = imports(text)?;
    let functions: Vec<&str> = names
        .iter()
        .map(|name| function(text, name))
        .collect::<Result<_, _>>()?;
    Ok(format!("{head}{}", functions.concat()))
}

/// A file up to the end of its imports, and what follows.
fn imports(text: &str) -> anyhow::Result<(&str, &str)> {
    let from = text.find("\nimport (\n").context("a file without imports")?;
    let length = text
        .get(from..)
        .and_then(|rest| rest.find("\n)\n"))
        .context("imports without an end")?;
    Ok(text.split_at(from + length + "\n)\n".len()))
}

/// Go takes no import that is not used.
fn without_unused_imports(text: &str) -> anyhow::Result<String> {
    let (head, body) = imports(text)?;
    let code: Vec<&str> = body
        .lines()
        .map(|line| line.split_once("//").map_or(line, |(code, _)| code))
        .collect();
    let code = code.join("\n");
    let used = |line: &&str| {
        let Some((alias, path)) = line.split_once('"') else {
            return true;
        };
        let path = path.trim_end_matches('"');
        let last = path.rsplit('/').next().unwrap_or(path);
        let name = if alias.trim().is_empty() { last } else { alias.trim() };
        let use_of = format!("{name}.");
        code.match_indices(&use_of).any(|(at, _)| {
            let before = code.get(..at).and_then(|before| before.chars().next_back());
            let after = code.get(at + use_of.len()..).and_then(|after| after.chars().next());
            // What a package exports has a capital.
            after.is_some_and(|c| c.is_ascii_uppercase())
                && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
        })
    };
    let head: Vec<&str> = head.split('\n').filter(used).collect();
    Ok(format!("{}{body}", head.join("\n")))
}
