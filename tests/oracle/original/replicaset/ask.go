//go:build original

// Package replicaset is the original's arithmetic of ReplicaSets: its files are put here by the build (see the tests'
// oracle.rs). What asks them is below.
package replicaset

import (
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
)

// CountsArgs is a Rollout and its ReplicaSets by their parts.
type CountsArgs struct {
	Rollout *v1alpha1.Rollout    `json:"rollout"`
	New     *appsv1.ReplicaSet   `json:"new"`
	Stable  *appsv1.ReplicaSet   `json:"stable"`
	Others  []*appsv1.ReplicaSet `json:"others"`
	Weights bool                 `json:"weights"`
}

// CountsResult is how many pods are wanted, and how it was come by.
type CountsResult struct {
	Canary         int32  `json:"canary"`
	Stable         int32  `json:"stable"`
	AtCounts       bool   `json:"atCounts"`
	MaxSurge       int32  `json:"maxSurge"`
	MaxUnavailable int32  `json:"maxUnavailable"`
	SetWeight      int32  `json:"setWeight"`
	CanaryWeight   int32  `json:"canaryWeight"`
	ScaleReplicas  *int32 `json:"scaleReplicas"`
	ScaleWeight    int32  `json:"scaleWeight"`
}

// Counts is how many pods are wanted.
func Counts(args CountsArgs) (*CountsResult, error) {
	ro := args.Rollout
	var weights *v1alpha1.TrafficWeights
	if args.Weights {
		weights = ro.Status.Canary.Weights
	}
	result := &CountsResult{
		AtCounts:       AtDesiredReplicaCountsForCanary(ro, args.New, args.Stable, args.Others, weights),
		MaxSurge:       MaxSurge(ro),
		MaxUnavailable: MaxUnavailable(ro),
		SetWeight:      GetCurrentSetWeight(ro),
		CanaryWeight:   GetDesiredCanaryWeight(ro, args.New, args.Stable),
	}
	result.ScaleReplicas, result.ScaleWeight = GetCanaryReplicasOrWeight(ro, args.New, args.Stable)
	if ro.Spec.Strategy.Canary.TrafficRouting == nil {
		result.Canary, result.Stable = CalculateReplicaCountsForBasicCanary(ro, args.New, args.Stable, args.Others)
	} else {
		result.Canary, result.Stable = CalculateReplicaCountsForTrafficRoutedCanary(ro, args.New, args.Stable, weights)
	}
	return result, nil
}
