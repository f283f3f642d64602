//go:build original

package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/annotations"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Patches as they are noted: an annotation's name, and its value.
const (
	addScaleDownAtAnnotationsPatch    = "later %s %s"
	removeScaleDownAtAnnotationsPatch = "keep %s"
)

// cluster notes what is changed of ReplicaSets.
type cluster struct{ calls *[]string }

func (c cluster) AppsV1() cluster { return c }

func (c cluster) ReplicaSets(_ string) cluster { return c }

func (c cluster) Patch(_ context.Context, name string, _ types.PatchType, patch []byte, _ metav1.PatchOptions) (*appsv1.ReplicaSet, error) {
	*c.calls = append(*c.calls, name+" "+string(patch))
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name}}, nil
}

func (c *rolloutContext) updateReplicaSet(_ context.Context, rs *appsv1.ReplicaSet) (*appsv1.ReplicaSet, error) {
	deadline := rs.Annotations[v1alpha1.DefaultReplicaSetScaleDownDeadlineAnnotationKey]
	desired := rs.Annotations[annotations.DesiredReplicasAnnotation]
	*c.calls = append(*c.calls, fmt.Sprintf("%s scale %d of %s until %q", rs.Name, *rs.Spec.Replicas, desired, deadline))
	return rs, nil
}

// No router of the original's own is asked.
func (c *rolloutContext) isReplicaSetReferencedByIstioDestinationRule(_ string) bool { return false }

func (c *rolloutContext) canProceedWithScaleDownAnnotation(_ []*appsv1.ReplicaSet) (bool, error) {
	return true, nil
}

func (c *rolloutContext) scaleDownOldReplicaSetsForBlueGreen(_ []*appsv1.ReplicaSet) (bool, error) {
	return false, nil
}

// ScalingArgs is a scene, the weights that the pass has decided, and whether it aborts the release.
type ScalingArgs struct {
	Scene
	Weights  *v1alpha1.TrafficWeights `json:"weights"`
	Services services                 `json:"services"`
	Abort    *string                  `json:"abort"`
}

// ScalingResult is what changes at the ReplicaSets.
type ScalingResult struct {
	Calls    []string `json:"calls"`
	Events   []string `json:"events"`
	EndsPass bool     `json:"endsPass"`
	WakeIn   *float64 `json:"wakeIn"`
}

// Scaling is the part of a pass that changes ReplicaSets.
func Scaling(args ScalingArgs) (*ScalingResult, error) {
	c := args.context()
	result := &ScalingResult{}
	c.newStatus.Canary.Weights, c.servicesLister = args.Weights, args.Services
	c.enqueueRolloutAfter = func(_ any, after time.Duration) {
		// Later than this it is looked at anyway.
		if seconds := after.Seconds(); after < c.resyncPeriod && (result.WakeIn == nil || seconds < *result.WakeIn) {
			result.WakeIn = &seconds
		}
	}
	c.begin(args.Abort)
	var err error
	result.EndsPass, err = c.reconcileCanaryReplicaSets()
	if err != nil {
		return nil, err
	}
	result.Calls, result.Events = *c.calls, *c.recorder.events
	return result, nil
}

// begin is how a pass begins: what is fully promoted is no longer aborted.
func (c *rolloutContext) begin(abort *string) {
	before := c.rollout.Status
	if before.StableRS == before.CurrentPodHash && c.pauseContext.IsAborted() {
		c.pauseContext.RemoveAbort()
	}
	if abort != nil {
		c.pauseContext.AddAbort(*abort)
	}
}
