package main

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(change func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{NodeName: nodeName, Containers: []corev1.Container{{Name: "main", Image: "a:1"}}}}
	pod.Status.Phase = corev1.PodPending
	change(pod)
	return pod
}

func ofJob(command ...string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		controller := true
		pod.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Controller: &controller}}
		pod.Status.Phase = corev1.PodRunning
		pod.Spec.Containers[0].Command = command
	}
}

func TestStages(t *testing.T) {
	now := metav1.Now()
	cases := map[string]struct {
		pod   *corev1.Pod
		stage string
		after time.Duration
	}{
		"unbound":         {pod(func(p *corev1.Pod) { p.Spec.NodeName = "" }), bind, 0},
		"other node":      {pod(func(p *corev1.Pod) { p.Spec.NodeName = "x" }), "", 0},
		"bound":           {pod(func(*corev1.Pod) {}), run, startDelay},
		"broken image":    {pod(func(p *corev1.Pod) { p.Spec.Containers[0].Image = "a:error" }), bad, startDelay},
		"deleted":         {pod(func(p *corev1.Pod) { p.DeletionTimestamp = &now }), remove, removeDelay},
		"job":             {pod(ofJob("true")), complete, jobDelay},
		"job sleeps":      {pod(ofJob("sh", "-c", "sleep 3; exit 2")), complete, 3 * time.Second},
		"job never ends":  {pod(ofJob("sleep", "infinity")), "", 0},
		"running":         {pod(func(p *corev1.Pod) { start(p) }), "", 0},
		"gate is closed":  {pod(func(p *corev1.Pod) { gate(p); start(p) }), "", 0},
		"gate has opened": {pod(func(p *corev1.Pod) { gate(p); start(p); set(p, "gate", true) }), gates, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			next := stageOf(c.pod)
			if next == nil {
				next = &stage{}
			}
			if next.name != c.stage || next.after != c.after {
				t.Errorf("%q after %s, not %q after %s", next.name, next.after, c.stage, c.after)
			}
		})
	}
}

func TestJobEndsWithItsCode(t *testing.T) {
	failed := pod(ofJob("sh", "-c", "exit 7"))
	finish(failed)
	code := failed.Status.ContainerStatuses[0].State.Terminated.ExitCode
	if failed.Status.Phase != corev1.PodFailed || code != 7 {
		t.Errorf("%s with %d", failed.Status.Phase, code)
	}
}

func gate(pod *corev1.Pod) {
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "gate"}}
}
