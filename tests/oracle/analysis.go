package main

import (
	"encoding/json"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/analysis"
	template "github.com/argoproj/argo-rollouts/utils/template"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// templates.fill: arguments in a text that is JSON.
func templatesFill(args struct {
	Template string              `json:"template"`
	Args     []v1alpha1.Argument `json:"args"`
}) (string, error) {
	return template.ResolveQuotedArgs(args.Template, args.Args)
}

// analysis.resolve: arguments in a metric.
func analysisResolve(args struct {
	Metric v1alpha1.Metric     `json:"metric"`
	Args   []v1alpha1.Argument `json:"args"`
}) (*v1alpha1.Metric, error) {
	return analysis.ResolveMetricArgs(args.Metric, args.Args)
}

// analysis.validate: whether metrics can be worked on, and what rules of names make of them.
func analysisValidate(spec v1alpha1.AnalysisRunSpec) (any, error) {
	if err := analysis.ValidateMetrics(spec.Metrics); err != nil {
		return nil, err
	}
	dryRun, err := analysis.GetDryRunMetrics(spec.DryRun, spec.Metrics)
	if err != nil {
		return nil, err
	}
	retention, err := analysis.GetMeasurementRetentionMetrics(spec.MeasurementRetention, spec.Metrics)
	if err != nil {
		return nil, err
	}
	limits := map[string]int32{}
	for name, rule := range retention {
		limits[name] = rule.Limit
	}
	return map[string]any{"dryRun": dryRun, "retention": limits}, nil
}

// analysis.fromTemplates: the run that templates and what a Rollout says of them make.
func analysisFromTemplates(args struct {
	Templates            []*v1alpha1.AnalysisTemplate        `json:"templates"`
	ClusterTemplates     []*v1alpha1.ClusterAnalysisTemplate `json:"clusterTemplates"`
	Args                 []v1alpha1.Argument                 `json:"args"`
	DryRun               []v1alpha1.DryRun                   `json:"dryRun"`
	MeasurementRetention []v1alpha1.MeasurementRetention     `json:"measurementRetention"`
}) (any, error) {
	templates, clusterTemplates := analysis.FilterUniqueTemplates(args.Templates, args.ClusterTemplates)
	run, err := analysis.NewAnalysisRunFromTemplates(templates, clusterTemplates, args.Args, args.DryRun,
		args.MeasurementRetention, nil, nil, "run", "", "default")
	if err != nil {
		return nil, err
	}
	return run.Spec, nil
}

// analysis.rolloutArgs: what a Rollout's arguments are worth.
func analysisRolloutArgs(args struct {
	Args    []v1alpha1.AnalysisRunArgument `json:"args"`
	Rollout json.RawMessage                `json:"rollout"`
	Stable  string                         `json:"stable"`
	Latest  string                         `json:"latest"`
}) ([]v1alpha1.Argument, error) {
	var rollout v1alpha1.Rollout
	if err := json.Unmarshal(args.Rollout, &rollout); err != nil {
		return nil, err
	}
	replicaSet := func(hash string) *appsv1.ReplicaSet {
		labels := map[string]string{v1alpha1.DefaultRolloutUniqueLabelKey: hash}
		return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
	}
	return analysis.BuildArgumentsForRolloutAnalysisRun(args.Args, replicaSet(args.Stable), replicaSet(args.Latest), &rollout)
}
