package main

import (
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The stages of a pod. They take about a second, as on a real node: a test that looks at what is between would else see
// nothing.
const (
	bind     = "bind"     // no node yet
	bad      = "bad"      // its command has "/bad-command", or its image the tag "error": it never starts
	run      = "run"      // on our node: runs, and is ready if it has no readiness gates
	gates    = "gates"    // every readiness gate is true: ready
	complete = "complete" // of a Job: ends after its `sleep`, with the code of its `exit`
	remove   = "remove"   // to be deleted: gone after its preStop hook
)

const (
	startDelay  = 1200 * time.Millisecond
	jobDelay    = 500 * time.Millisecond
	removeDelay = time.Second
)

// stage is what comes next for a pod.
type stage struct {
	name  string
	after time.Duration
	// Of its status; none for what is no change of it.
	change func(*corev1.Pod)
}

var (
	broken = regexp.MustCompile(`/bad-command|:error"`)
	sleeps = regexp.MustCompile(`sleep ([^\s;&|]+)`)
	exits  = regexp.MustCompile(`exit ([1-9])`)
)

// stageOf decides; nil is nothing more to come until the pod changes.
func stageOf(pod *corev1.Pod) *stage {
	if pod.Spec.NodeName == "" {
		if pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
			return nil
		}
		return &stage{name: bind}
	}
	if pod.Spec.NodeName != nodeName {
		return nil
	}
	if pod.DeletionTimestamp != nil {
		return &stage{name: remove, after: removeDelay + longest(pod, preStop)}
	}
	switch {
	case pod.Status.Phase == corev1.PodPending && pod.Status.PodIP == "":
		if isBroken(pod) {
			if len(pod.Status.ContainerStatuses) > 0 {
				return nil
			}
			return &stage{name: bad, after: startDelay, change: refuse}
		}
		return &stage{name: run, after: startDelay + longest(pod, postStart) + probeDelay(pod), change: start}
	case pod.Status.Phase == corev1.PodRunning && isOfJob(pod):
		after, ends := jobTime(pod)
		if !ends {
			return nil
		}
		return &stage{name: complete, after: after, change: finish}
	case pod.Status.Phase == corev1.PodRunning && !isTrue(pod, corev1.PodReady) && gatesOpen(pod):
		return &stage{name: gates, change: func(pod *corev1.Pod) { set(pod, corev1.PodReady, true) }}
	}
	return nil
}

func start(pod *corev1.Pod) {
	now := metav1.Now()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP, pod.Status.HostIP = "10.1.0.1", "127.0.0.1"
	pod.Status.PodIPs = []corev1.PodIP{{IP: "10.1.0.1"}}
	pod.Status.StartTime = &now
	pod.Status.ContainerStatuses = containers(pod, true, corev1.ContainerState{
		Running: &corev1.ContainerStateRunning{StartedAt: now},
	})
	set(pod, corev1.PodScheduled, true)
	set(pod, corev1.PodInitialized, true)
	set(pod, corev1.ContainersReady, true)
	set(pod, corev1.PodReady, gatesOpen(pod))
}

func refuse(pod *corev1.Pod) {
	pod.Status.ContainerStatuses = containers(pod, false, corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CreateContainerError", Message: "it cannot be started"},
	})
	set(pod, corev1.PodScheduled, true)
	set(pod, corev1.PodReady, false)
}

func finish(pod *corev1.Pod) {
	code := exitCode(pod)
	pod.Status.Phase = corev1.PodSucceeded
	reason := "Completed"
	if code != 0 {
		pod.Status.Phase, reason = corev1.PodFailed, "Error"
	}
	pod.Status.ContainerStatuses = containers(pod, false, corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, FinishedAt: metav1.Now()},
	})
	set(pod, corev1.ContainersReady, false)
	set(pod, corev1.PodReady, false)
}

func containers(pod *corev1.Pod, ready bool, state corev1.ContainerState) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, container := range pod.Spec.Containers {
		started := ready
		all = append(all, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, Ready: ready, Started: &started, State: state,
		})
	}
	return all
}

func set(pod *corev1.Pod, kind corev1.PodConditionType, is bool) {
	status := corev1.ConditionFalse
	if is {
		status = corev1.ConditionTrue
	}
	for i := range pod.Status.Conditions {
		if condition := &pod.Status.Conditions[i]; condition.Type == kind {
			if condition.Status != status {
				condition.Status, condition.LastTransitionTime = status, metav1.Now()
			}
			return
		}
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: kind, Status: status, LastTransitionTime: metav1.Now(),
	})
}

func isTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == kind {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func gatesOpen(pod *corev1.Pod) bool {
	for _, gate := range pod.Spec.ReadinessGates {
		if !isTrue(pod, gate.ConditionType) {
			return false
		}
	}
	return true
}

func isBroken(pod *corev1.Pod) bool {
	text, err := json.Marshal(pod.Spec.Containers)
	return err == nil && broken.Match(text)
}

func isOfJob(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "Job"
}

// jobTime is how long a Job's pod runs, and whether it ever ends.
func jobTime(pod *corev1.Pod) (time.Duration, bool) {
	after := jobDelay
	for _, container := range pod.Spec.Containers {
		found := sleeps.FindStringSubmatch(words(container))
		if found == nil {
			continue
		}
		seconds, err := strconv.ParseFloat(found[1], 64)
		if err != nil || math.IsInf(seconds, 0) {
			// `365d`, `infinity`.
			return 0, false
		}
		after = max(after, time.Duration(seconds*float64(time.Second)))
	}
	return after, true
}

func exitCode(pod *corev1.Pod) int32 {
	for _, container := range pod.Spec.Containers {
		if found := exits.FindStringSubmatch(words(container)); found != nil {
			return int32(found[1][0] - '0')
		}
	}
	return 0
}

func words(container corev1.Container) string {
	return strings.Join(append(append([]string{}, container.Command...), container.Args...), " ")
}

func postStart(container corev1.Container) *corev1.LifecycleHandler {
	if container.Lifecycle == nil {
		return nil
	}
	return container.Lifecycle.PostStart
}

func preStop(container corev1.Container) *corev1.LifecycleHandler {
	if container.Lifecycle == nil {
		return nil
	}
	return container.Lifecycle.PreStop
}

// longest is the longest `sleep` of the containers' hooks.
func longest(pod *corev1.Pod, hook func(corev1.Container) *corev1.LifecycleHandler) time.Duration {
	var after time.Duration
	for _, container := range pod.Spec.Containers {
		handler := hook(container)
		if handler == nil || handler.Exec == nil {
			continue
		}
		if found := sleeps.FindStringSubmatch(strings.Join(handler.Exec.Command, " ")); found != nil {
			if seconds, err := strconv.ParseFloat(found[1], 64); err == nil {
				after = max(after, time.Duration(seconds*float64(time.Second)))
			}
		}
	}
	return after
}

func probeDelay(pod *corev1.Pod) time.Duration {
	var after time.Duration
	for _, container := range pod.Spec.Containers {
		if probe := container.ReadinessProbe; probe != nil {
			after = max(after, time.Duration(probe.InitialDelaySeconds)*time.Second)
		}
	}
	return after
}
