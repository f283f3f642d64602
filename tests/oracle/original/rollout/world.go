//go:build original

// Package rollout is the original's reconciliation of canary Rollouts, function by function, with a world of our own around
// it: the functions are put here by the build (see the tests' oracle.rs).
package rollout

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/annotations"
	"github.com/argoproj/argo-rollouts/utils/conditions"
	timeutil "github.com/argoproj/argo-rollouts/utils/time"
	log "github.com/sirupsen/logrus"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"rollcage.dev/tests/oracle/original/record"
	replicasetutil "rollcage.dev/tests/oracle/original/replicaset"
	rolloututil "rollcage.dev/tests/oracle/original/rolloututil"
)

// rolloutContext has what the original's functions ask of it.
type rolloutContext struct {
	rollout          *v1alpha1.Rollout
	newRS            *appsv1.ReplicaSet
	stableRS         *appsv1.ReplicaSet
	otherRSs         []*appsv1.ReplicaSet
	allRSs           []*appsv1.ReplicaSet
	newStatus        v1alpha1.RolloutStatus
	newRSWithinDelay bool
	currentEx        *v1alpha1.Experiment
	currentArs       currentRuns
	log              *log.Entry
	pauseContext     *pauseContext
	recorder         recorder
	resyncPeriod     time.Duration

	stepPluginContext           stepPlugins
	newTrafficRoutingReconciler func(*rolloutContext) ([]*router, error)
	enqueueRolloutAfter         func(any, time.Duration)
	enqueueRollout              func(any)
	first                       *v1alpha1.RolloutStatus

	kubeclientset  cluster
	servicesLister services

	calls *[]string
}

type currentRuns struct {
	CanaryStep             *v1alpha1.AnalysisRun
	BlueGreenPostPromotion *v1alpha1.AnalysisRun
}

// stepPlugins says of every step plugin the same.
type stepPlugins bool

func (s stepPlugins) updateStatus(_ *v1alpha1.RolloutStatus) {}

func (s stepPlugins) isStepPluginCompleted(_ int32, _ *v1alpha1.PluginStep) bool { return bool(s) }

func (c *rolloutContext) areTargetsVerified() bool { return true }

func (c *rolloutContext) getRolloutValidationErrors() error { return nil }

func (c *rolloutContext) SetRestartedAt() {}

func (c *rolloutContext) scaleDeployment(_ *int32) error { return nil }

// persistRolloutStatus keeps what would be written, and ends a pass as the original does.
func (c *rolloutContext) persistRolloutStatus(status *v1alpha1.RolloutStatus) error {
	before := c.rollout.Status.DeepCopy()
	status.ObservedGeneration = fmt.Sprint(c.rollout.Generation)
	c.evaluateProgressDeadlineAbort(status)
	c.pauseContext.CalculatePauseStatus(status)
	c.calculateRolloutConditions(status)
	status.Phase, status.Message = rolloututil.CalculateRolloutPhase(c.rollout.Spec, *status)
	was, err := json.Marshal(before)
	if err != nil {
		return err
	}
	is, err := json.Marshal(status)
	if err != nil {
		return err
	}
	if bytes.Equal(was, is) {
		c.requeueStuckRollout(*status)
	} else {
		c.sendStateChangeEvents(before, status)
	}
	c.newStatus = *status
	return nil
}

var nowFn = func() time.Time { return timeutil.Now() }

// patchCondition keeps what would be written before anything else.
func (c *rolloutContext) patchCondition(_ *v1alpha1.Rollout, status *v1alpha1.RolloutStatus, all ...*v1alpha1.RolloutCondition) error {
	for _, condition := range all {
		conditions.SetRolloutCondition(status, *condition)
	}
	status.ObservedGeneration = fmt.Sprint(c.rollout.Generation)
	status.Phase, status.Message = rolloututil.CalculateRolloutPhase(c.rollout.Spec, *status)
	c.first = status
	return nil
}

// recorder notes Events.
type recorder struct{ events *[]string }

func (r recorder) note(kind string, options record.EventOptions, format string, args ...any) {
	*r.events = append(*r.events, kind+" "+options.EventReason+" "+fmt.Sprintf(format, args...))
}

func (r recorder) Eventf(_ runtime.Object, options record.EventOptions, format string, args ...any) {
	r.note("Normal", options, format, args...)
}

func (r recorder) Warnf(_ runtime.Object, options record.EventOptions, format string, args ...any) {
	r.note("Warning", options, format, args...)
}

// router notes what it is told, and verifies as it was told to.
type router struct {
	calls    *[]string
	verified *bool
	fails    string
}

func (r *router) note(format string, args ...any) {
	*r.calls = append(*r.calls, fmt.Sprintf(format, args...))
}

func (r *router) Type() string { return "plugin" }

func (r *router) UpdateHash(canary, stable string, additional ...v1alpha1.WeightDestination) error {
	r.note("update-hash %s %s %v", canary, stable, additional)
	return nil
}

func (r *router) SetWeight(weight int32, additional ...v1alpha1.WeightDestination) error {
	r.note("set-weight %d %v", weight, additional)
	return nil
}

func (r *router) SetHeaderRoute(route *v1alpha1.SetHeaderRoute) error {
	r.note("set-header-route %s", route.Name)
	return nil
}

func (r *router) SetMirrorRoute(route *v1alpha1.SetMirrorRoute) error {
	r.note("set-mirror-route %s", route.Name)
	return nil
}

func (r *router) VerifyWeight(weight int32, additional ...v1alpha1.WeightDestination) (*bool, error) {
	r.note("verify-weight %d %v", weight, additional)
	if r.fails != "" {
		return nil, fmt.Errorf("%s", r.fails)
	}
	return r.verified, nil
}

func (r *router) RemoveManagedRoutes() error {
	r.note("remove-managed-routes")
	return nil
}

// Scene is a Rollout and all that is observed beside it.
type Scene struct {
	Rollout    *v1alpha1.Rollout     `json:"rollout"`
	New        *appsv1.ReplicaSet    `json:"new"`
	Stable     *appsv1.ReplicaSet    `json:"stable"`
	Others     []*appsv1.ReplicaSet  `json:"others"`
	Experiment *v1alpha1.Experiment  `json:"experiment"`
	Analysis   *v1alpha1.AnalysisRun `json:"analysis"`
	PluginDone bool                  `json:"pluginDone"`
	Now        time.Time             `json:"now"`
}

func (s Scene) context() *rolloutContext {
	quiet := log.New()
	quiet.SetOutput(io.Discard)
	log.SetLevel(log.PanicLevel)
	timeutil.SetNowTimeFunc(func() time.Time { return s.Now })
	entry := log.NewEntry(quiet)
	all := append([]*appsv1.ReplicaSet{}, s.Others...)
	if s.New != nil {
		all = append(all, s.New)
	}
	if replicasetutil.CheckStableRSExists(s.New, s.Stable) {
		all = append(all, s.Stable)
	}
	if s.New != nil && s.Stable != nil && s.New.Name == s.Stable.Name {
		s.Stable = s.New
	}
	calls := &[]string{}
	return &rolloutContext{
		rollout: s.Rollout, newRS: s.New, stableRS: s.Stable, otherRSs: s.Others, allRSs: all,
		newStatus: *s.Rollout.Status.DeepCopy(), currentEx: s.Experiment, currentArs: currentRuns{CanaryStep: s.Analysis},
		log: entry, pauseContext: &pauseContext{rollout: s.Rollout, log: entry},
		recorder: recorder{&[]string{}}, calls: calls, resyncPeriod: 15 * time.Minute,
		kubeclientset: cluster{calls}, stepPluginContext: stepPlugins(s.PluginDone), enqueueRolloutAfter: func(any, time.Duration) {},
	}
}

// TrafficArgs is a scene and what the router says of its weights.
type TrafficArgs struct {
	Scene
	Verified *bool  `json:"verified"`
	Fails    string `json:"fails"`
}

// TrafficResult is what routers were told, and what is made of their answers.
type TrafficResult struct {
	Calls   []string                 `json:"calls"`
	Events  []string                 `json:"events"`
	Weights *v1alpha1.TrafficWeights `json:"weights"`
	Error   string                   `json:"error"`
	WakeIn  float64                  `json:"wakeIn"`
}

// Traffic is what one router is told in a pass.
func Traffic(args TrafficArgs) (*TrafficResult, error) {
	c := args.context()
	result := &TrafficResult{}
	c.servicesLister = services{args.Rollout.Spec.Strategy.Canary.CanaryService: {Managed: true}}
	c.enqueueRolloutAfter = func(_ any, after time.Duration) { result.WakeIn = after.Seconds() }
	c.newTrafficRoutingReconciler = func(*rolloutContext) ([]*router, error) {
		return []*router{{c.calls, args.Verified, args.Fails}}, nil
	}
	if err := c.reconcileTrafficRouting(); err != nil {
		result.Error = err.Error()
	}
	result.Calls, result.Events, result.Weights = *c.calls, *c.recorder.events, c.newStatus.Canary.Weights
	return result, nil
}

// ClassesResult is which ReplicaSet is what.
type ClassesResult struct {
	New                string            `json:"new"`
	Stable             string            `json:"stable"`
	Others             []string          `json:"others"`
	MaxRevision        int64             `json:"maxRevision"`
	Annotations        map[string]string `json:"annotations"`
	AnnotationsChanged bool              `json:"annotationsChanged"`
	WithinWindow       bool              `json:"withinWindow"`
}

// Classes is which ReplicaSet is what.
func Classes(args struct {
	Rollout *v1alpha1.Rollout    `json:"rollout"`
	Sets    []*appsv1.ReplicaSet `json:"sets"`
}) (*ClassesResult, error) {
	log.SetLevel(log.PanicLevel)
	ro, result := args.Rollout, &ClassesResult{Others: []string{}}
	newRS := replicasetutil.FindNewReplicaSet(ro, args.Sets)
	stableRS := replicasetutil.GetStableRS(ro, newRS, args.Sets)
	others := replicasetutil.GetOtherRSs(ro, newRS, stableRS, args.Sets)
	older := replicasetutil.FindOldReplicaSets(ro, args.Sets, newRS)
	result.MaxRevision = replicasetutil.MaxRevision(older)
	for _, rs := range others {
		result.Others = append(result.Others, rs.Name)
	}
	if stableRS != nil {
		result.Stable = stableRS.Name
	}
	c := Scene{Rollout: ro, New: newRS, Stable: stableRS, Others: others}.context()
	result.WithinWindow = c.isRollbackWithinWindow()
	next := fmt.Sprint(result.MaxRevision + 1)
	exists := newRS != nil
	if exists {
		result.New = newRS.Name
	} else {
		newRS = &appsv1.ReplicaSet{}
	}
	result.AnnotationsChanged = annotations.SetNewReplicaSetAnnotations(ro, newRS, next, exists)
	result.Annotations = newRS.Annotations
	return result, nil
}

// AdvanceArgs is a scene, and what the pass has found out before its end.
type AdvanceArgs struct {
	Scene
	Abort *string `json:"abort"`
	Pause string  `json:"pause"`
}

// AdvanceResult is what the end of a pass makes of a release.
type AdvanceResult struct {
	Status v1alpha1.RolloutStatus `json:"status"`
	Events []string               `json:"events"`
	Pause  bool                   `json:"pause"`
	WakeIn float64                `json:"wakeIn"`
	// LookIn is when to look again for progress.
	LookIn *float64 `json:"lookIn"`
	// First is the status that is written before anything else.
	First *v1alpha1.RolloutStatus `json:"first"`
}

// Advance is the end of a pass.
func Advance(args AdvanceArgs) (*AdvanceResult, error) {
	c := args.context()
	result := &AdvanceResult{}
	c.enqueueRolloutAfter = func(_ any, after time.Duration) { result.WakeIn = after.Seconds() }
	if err := c.checkPausedConditions(); err != nil {
		return nil, err
	}
	// As a pass begins, and as far as it has come before its end.
	before := args.Rollout.Status
	c.newStatus = v1alpha1.RolloutStatus{RestartedAt: before.RestartedAt}
	c.newStatus.Canary.Weights = before.Canary.Weights
	c.newStatus.Canary.CurrentExperiment = before.Canary.CurrentExperiment
	c.newStatus.Canary.CurrentStepAnalysisRunStatus = before.Canary.CurrentStepAnalysisRunStatus
	c.newStatus.Canary.CurrentBackgroundAnalysisRunStatus = before.Canary.CurrentBackgroundAnalysisRunStatus
	c.begin(args.Abort)
	if args.Pause != "" {
		c.pauseContext.AddPauseCondition(v1alpha1.PauseReason(args.Pause))
	} else if !replicasetutil.PodTemplateOrStepsChanged(args.Rollout, args.New) {
		result.Pause = c.reconcileCanaryPause()
	}
	c.enqueueRolloutAfter = func(_ any, after time.Duration) {
		seconds := after.Seconds()
		result.LookIn = &seconds
	}
	c.enqueueRollout = func(any) { result.LookIn = new(float64) }
	if err := c.syncRolloutStatusCanary(); err != nil {
		return nil, err
	}
	result.Status, result.Events, result.First = c.newStatus, *c.recorder.events, c.first
	return result, nil
}
