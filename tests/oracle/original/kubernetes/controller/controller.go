// Package controller is the little of Kubernetes' own package that the original's ReplicaSets need; that one brings half of
// Kubernetes along.
package controller

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// ReplicaSetsByCreationTimestamp sorts by age, and by name where that is the same.
type ReplicaSetsByCreationTimestamp []*appsv1.ReplicaSet

func (o ReplicaSetsByCreationTimestamp) Len() int      { return len(o) }
func (o ReplicaSetsByCreationTimestamp) Swap(i, j int) { o[i], o[j] = o[j], o[i] }
func (o ReplicaSetsByCreationTimestamp) Less(i, j int) bool {
	if o[i].CreationTimestamp.Equal(&o[j].CreationTimestamp) {
		return o[i].Name < o[j].Name
	}
	return o[i].CreationTimestamp.Before(&o[j].CreationTimestamp)
}

// FilterActiveReplicaSets is those that are to have pods.
func FilterActiveReplicaSets(all []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	var active []*appsv1.ReplicaSet
	for _, rs := range all {
		if rs != nil && rs.Spec.Replicas != nil && *rs.Spec.Replicas > 0 {
			active = append(active, rs)
		}
	}
	return active
}

// ComputeHash is the hash of releases before 0.10. No ReplicaSet here has it.
func ComputeHash(_ *corev1.PodTemplateSpec, _ *int32) string { return "no such hash" }
