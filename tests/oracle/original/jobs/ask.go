//go:build original

// Package job is the original's provider of Jobs with a cluster of ours around it: its file, job.go, comes out of the module
// cache as that of the passes does, with the imports of clients changed.
package job

import (
	"fmt"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	timeutil "github.com/argoproj/argo-rollouts/utils/time"
	log "github.com/sirupsen/logrus"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"rollcage.dev/tests/oracle/original/jobs/cluster"
)

// Args is one call, and what there is.
type Args struct {
	Method      string                `json:"method"`
	Run         *v1alpha1.AnalysisRun `json:"run"`
	Measurement v1alpha1.Measurement  `json:"measurement"`
	Now         time.Time             `json:"now"`
	Jobs        []*batchv1.Job        `json:"jobs"`
	Pods        []*corev1.Pod         `json:"pods"`
}

// Result is what it made of it.
type Result struct {
	Measurement v1alpha1.Measurement `json:"measurement"`
	Created     []*batchv1.Job       `json:"created"`
	Deleted     []string             `json:"deleted"`
}

// Ask calls the provider for the run's only metric.
func Ask(args Args) (*Result, error) {
	log.SetLevel(log.PanicLevel)
	timeutil.SetNowTimeFunc(func() time.Time { return args.Now })
	world := &cluster.World{There: args.Jobs, Running: args.Pods}
	logger := log.WithField("metric", "job")
	provider := NewJobProvider(*logger, world, world.JobLister(), world.PodLister(), "", false)
	metric, result := args.Run.Spec.Metrics[0], &Result{}
	switch args.Method {
	case "run":
		result.Measurement = provider.Run(args.Run, metric)
	case "resume":
		result.Measurement = provider.Resume(args.Run, metric, args.Measurement)
	case "terminate":
		result.Measurement = provider.Terminate(args.Run, metric, args.Measurement)
	default:
		return nil, fmt.Errorf("no method %q", args.Method)
	}
	result.Created, result.Deleted = world.Created, world.Deleted
	return result, nil
}
