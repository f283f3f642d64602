// Package cluster is the little of a Kubernetes client and its caches that the original's Jobs need: what is there is given,
// and what is created and deleted is noted.
package cluster

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	k8serrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// World is all that there is.
type World struct {
	There   []*batchv1.Job
	Running []*corev1.Pod
	Created []*batchv1.Job
	Deleted []string
}

// Interface, JobLister and PodLister have the names that the original knows them by.
type (
	Interface = *World
	JobLister = jobs
	PodLister = pods
)

type jobs struct {
	world     *World
	namespace string
}

type pods struct {
	world     *World
	namespace string
}

// JobLister is the cache of Jobs.
func (w *World) JobLister() JobLister { return jobs{world: w} }

// PodLister is the cache of pods.
func (w *World) PodLister() PodLister { return pods{world: w} }

func (w *World) BatchV1() *World              { return w }
func (w *World) Jobs(namespace string) client { return client{jobs{w, namespace}} }

func (j jobs) Jobs(namespace string) jobs { return jobs{j.world, namespace} }
func (p pods) Pods(namespace string) pods { return pods{p.world, namespace} }

func (j jobs) find(name, resource string) (*batchv1.Job, error) {
	for _, job := range j.world.There {
		if job.Namespace == j.namespace && job.Name == name {
			return job, nil
		}
	}
	return nil, k8serrors.NewNotFound(batchv1.Resource(resource), name)
}

// Get is the cache's, whose errors name the resource so.
func (j jobs) Get(name string) (*batchv1.Job, error) { return j.find(name, "job") }

func (j jobs) List(selector labels.Selector) (found []*batchv1.Job, _ error) {
	for _, job := range j.world.There {
		if selector.Matches(labels.Set(job.Labels)) {
			found = append(found, job)
		}
	}
	return found, nil
}

func (p pods) List(selector labels.Selector) (found []*corev1.Pod, _ error) {
	for _, pod := range p.world.Running {
		if pod.Namespace == p.namespace && selector.Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found, nil
}

type client struct{ jobs }

func (c client) Get(_ context.Context, name string, _ metav1.GetOptions) (*batchv1.Job, error) {
	return c.find(name, "jobs")
}

func (c client) Create(_ context.Context, job *batchv1.Job, _ metav1.CreateOptions) (*batchv1.Job, error) {
	if _, err := c.find(job.Name, "jobs"); err == nil {
		return nil, k8serrors.NewAlreadyExists(batchv1.Resource("jobs"), job.Name)
	}
	c.world.Created = append(c.world.Created, job)
	return job, nil
}

func (c client) Delete(_ context.Context, name string, _ metav1.DeleteOptions) error {
	c.world.Deleted = append(c.world.Deleted, c.namespace+"/"+name)
	_, err := c.find(name, "jobs")
	return err
}
