//go:build original

package main

import (
	original "rollcage.dev/tests/oracle/original"
	"rollcage.dev/tests/oracle/original/jobs"
	"rollcage.dev/tests/oracle/original/replicaset"
	"rollcage.dev/tests/oracle/original/rollout"
)

func init() {
	operations["analysis.job"] = typed(job.Ask)
	operations["analysis.pass"] = typed(original.Pass)
	operations["rollout.advance"] = typed(rollout.Advance)
	operations["rollout.classes"] = typed(rollout.Classes)
	operations["rollout.counts"] = typed(replicaset.Counts)
	operations["rollout.fields"] = typed(replicaset.Fields)
	operations["rollout.hashes"] = typed(replicaset.Hashes)
	operations["rollout.scaling"] = typed(rollout.Scaling)
	operations["rollout.services"] = typed(rollout.Services)
	operations["rollout.traffic"] = typed(rollout.Traffic)
}
