//go:build original

// Package trafficrouting is what the original says of a Rollout's Services, put here by the build: the rest of that package
// brings the clients of its own routers along.
package trafficrouting
