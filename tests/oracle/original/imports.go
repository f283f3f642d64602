//go:build original

package analysis

// What the original's file imports and nothing else here does: `go mod tidy` does not see that file.
import (
	_ "github.com/argoproj/argo-rollouts/utils/defaults"
	_ "github.com/argoproj/argo-rollouts/utils/log"
	_ "k8s.io/utils/ptr"
)
