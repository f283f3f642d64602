//go:build original

package main

import (
	original "rollcage.dev/tests/oracle/original"
	"rollcage.dev/tests/oracle/original/jobs"
)

func init() {
	operations["analysis.job"] = typed(job.Ask)
	operations["analysis.pass"] = typed(original.Pass)
}
