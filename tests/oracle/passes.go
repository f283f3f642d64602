//go:build original

package main

import (
	original "rollcage.dev/tests/oracle/original"
	"rollcage.dev/tests/oracle/original/jobs"
	"rollcage.dev/tests/oracle/original/replicaset"
)

func init() {
	operations["analysis.job"] = typed(job.Ask)
	operations["analysis.pass"] = typed(original.Pass)
	operations["rollout.counts"] = typed(replicaset.Counts)
}
