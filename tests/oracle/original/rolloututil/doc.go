//go:build original

// Package rollout is the original's package of that name, put here by the build: what it imports would bring half of
// Kubernetes along.
package rollout
