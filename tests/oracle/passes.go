//go:build original

package main

import original "rollcage.dev/tests/oracle/original"

func init() {
	operations["analysis.pass"] = typed(original.Pass)
}
