//go:build original

// Package analysis is the original's reconciliation of AnalysisRuns with a world of our own around it.
//
// Its heart, analysis.go, is not here: the build takes the original's file out of the module cache (see the tests'
// oracle.rs) and puts it in this package's place, with one import changed. What that file needs of its controller is below.
package analysis

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	timeutil "github.com/argoproj/argo-rollouts/utils/time"
	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	k8serrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rollcage.dev/tests/oracle/original/record"
)

// Controller has what the original's passes ask of their controller.
type Controller struct {
	kubeclientset        secretsOf
	argoProjClientset    runsOf
	newProvider          func(logCtx log.Entry, namespace string, metric v1alpha1.Metric) (provider, error)
	enqueueAnalysisAfter func(obj any, duration time.Duration)
	recorder             recorder
}

type provider interface {
	Run(*v1alpha1.AnalysisRun, v1alpha1.Metric) v1alpha1.Measurement
	Resume(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement
	Terminate(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement
	GarbageCollect(*v1alpha1.AnalysisRun, v1alpha1.Metric, int) error
	GetMetadata(v1alpha1.Metric) map[string]string
}

// secretsOf are the Secrets of the run's namespace.
type secretsOf map[string]map[string]string

func (s secretsOf) CoreV1() secretsOf          { return s }
func (s secretsOf) Secrets(_ string) secretsOf { return s }
func (s secretsOf) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Secret, error) {
	values, found := s[name]
	if !found {
		return nil, k8serrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	data := map[string][]byte{}
	for key, value := range values {
		data[key] = []byte(value)
	}
	return &corev1.Secret{Data: data}, nil
}

// runsOf notes what is deleted.
type runsOf struct{ deleted *bool }

func (r runsOf) ArgoprojV1alpha1() runsOf     { return r }
func (r runsOf) AnalysisRuns(_ string) runsOf { return r }
func (r runsOf) Delete(_ context.Context, _ string, _ metav1.DeleteOptions) error {
	*r.deleted = true
	return nil
}

// recorder notes Events.
type recorder struct{ events *[]string }

func (r recorder) Eventf(_ runtime.Object, options record.EventOptions, format string, args ...any) {
	*r.events = append(*r.events, options.EventType+" "+options.EventReason+" "+fmt.Sprintf(format, args...))
}

// answers is a provider that was told what to say of one metric.
type answers struct {
	Measurement v1alpha1.Measurement `json:"measurement"`
	Metadata    map[string]string    `json:"metadata"`
	// NotServing is why nobody can be asked.
	NotServing string `json:"notServing"`

	name  string
	calls *calls
}

type calls struct {
	lock sync.Mutex
	all  []string
}

func (c *calls) note(method, name string) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.all = append(c.all, method+" "+name)
}

func (a answers) Run(*v1alpha1.AnalysisRun, v1alpha1.Metric) v1alpha1.Measurement {
	a.calls.note("run", a.name)
	return a.Measurement
}

func (a answers) Resume(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement {
	a.calls.note("resume", a.name)
	return a.Measurement
}

func (a answers) Terminate(*v1alpha1.AnalysisRun, v1alpha1.Metric, v1alpha1.Measurement) v1alpha1.Measurement {
	a.calls.note("terminate", a.name)
	return a.Measurement
}

func (a answers) GarbageCollect(_ *v1alpha1.AnalysisRun, _ v1alpha1.Metric, limit int) error {
	a.calls.note(fmt.Sprintf("garbage-collect %d", limit), a.name)
	return nil
}

func (a answers) GetMetadata(v1alpha1.Metric) map[string]string {
	a.calls.note("get-metadata", a.name)
	return a.Metadata
}

// PassArgs is one pass: a run, a time, and what would be answered.
type PassArgs struct {
	Run     *v1alpha1.AnalysisRun        `json:"run"`
	Now     time.Time                    `json:"now"`
	Secrets map[string]map[string]string `json:"secrets"`
	Answers map[string]answers           `json:"answers"`
}

// PassResult is what a pass did.
type PassResult struct {
	Status  v1alpha1.AnalysisRunStatus `json:"status"`
	Events  []string                   `json:"events"`
	Calls   []string                   `json:"calls"`
	WakeIn  *float64                   `json:"wakeIn"`
	Deleted bool                       `json:"deleted"`
}

// Pass is one pass over one run.
func Pass(args PassArgs) (*PassResult, error) {
	log.SetLevel(log.PanicLevel)
	timeutil.SetNowTimeFunc(func() time.Time { return args.Now })
	result := &PassResult{Events: []string{}}
	asked := &calls{all: []string{}}
	controller := &Controller{
		kubeclientset:     args.Secrets,
		argoProjClientset: runsOf{&result.Deleted},
		recorder:          recorder{&result.Events},
		enqueueAnalysisAfter: func(_ any, duration time.Duration) {
			seconds := duration.Seconds()
			result.WakeIn = &seconds
		},
		newProvider: func(_ log.Entry, _ string, metric v1alpha1.Metric) (provider, error) {
			answer := args.Answers[metric.Name]
			if answer.NotServing != "" {
				return nil, fmt.Errorf("%s", answer.NotServing)
			}
			answer.name, answer.calls = metric.Name, asked
			return answer, nil
		},
	}
	result.Status = controller.reconcileAnalysisRun(args.Run).Status
	// Metrics are asked side by side, and their results stand in the order of the answers.
	sort.Strings(asked.all)
	results := result.Status.MetricResults
	sort.SliceStable(results, func(i, j int) bool { return results[i].Name < results[j].Name })
	result.Calls = asked.all
	return result, nil
}
