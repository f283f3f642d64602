package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

const nodeName = "node-0"

// kubelet is the only node, and the scheduler: it says of pods what a real one would, and runs nothing.
//
//	pod's event ──> queue by name ──> stage(pod): what comes next, and when ──> wait ──> one write
type kubelet struct {
	client kubernetes.Interface
	pods   corelisters.PodLister
	queue  workqueue.TypedDelayingInterface[string]

	mutex sync.Mutex
	plans map[types.UID]plan
}

// plan is when a pod's next stage is due.
type plan struct {
	stage string
	due   time.Time
}

func kubeletCommand() *cobra.Command {
	var path string
	command := &cobra.Command{Use: "kubelet", SilenceUsage: true, RunE: func(command *cobra.Command, _ []string) error {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			return err
		}
		config.QPS, config.Burst = 300, 500
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		return runKubelet(command.Context(), client)
	}}
	command.Flags().StringVar(&path, "kubeconfig", "", "kubeconfig of a user who may write nodes and pods")
	return command
}

func runKubelet(ctx context.Context, client kubernetes.Interface) error {
	if err := registerNode(ctx, client); err != nil {
		return fmt.Errorf("registering the node: %w", err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Pods()
	k := &kubelet{
		client: client,
		pods:   informer.Lister(),
		queue:  workqueue.NewTypedDelayingQueue[string](),
		plans:  map[types.UID]plan{},
	}
	add := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			k.queue.Add(key)
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
		DeleteFunc: func(object any) {
			if pod, is := object.(*corev1.Pod); is {
				k.mutex.Lock()
				delete(k.plans, pod.UID)
				k.mutex.Unlock()
			}
		},
	}
	if _, err := informer.Informer().AddEventHandler(handler); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range 4 {
		go k.work(ctx)
	}
	<-ctx.Done()
	return nil
}

func registerNode(ctx context.Context, client kubernetes.Interface) error {
	room := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("1000"),
		corev1.ResourceMemory: resource.MustParse("1000Gi"),
		corev1.ResourcePods:   resource.MustParse("10000"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{"kubernetes.io/hostname": nodeName}},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "Fake"}},
		},
	}
	made, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	// Admission taints every new node, and the controller that lifts this is off.
	made.Spec.Taints = nil
	_, err = client.CoreV1().Nodes().Update(ctx, made, metav1.UpdateOptions{})
	return err
}

func (k *kubelet) work(ctx context.Context) {
	for {
		key, ends := k.queue.Get()
		if ends {
			return
		}
		if err := k.sync(ctx, key); err != nil && !apierrors.IsNotFound(err) {
			if !apierrors.IsConflict(err) {
				fmt.Printf("%s: %v\n", key, err)
			}
			k.queue.AddAfter(key, 200*time.Millisecond)
		}
		k.queue.Done(key)
	}
}

// sync does a pod's next stage if it is due, and comes back when it is.
func (k *kubelet) sync(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	pod, err := k.pods.Pods(namespace).Get(name)
	if err != nil {
		return err
	}
	next := stageOf(pod)
	if next == nil {
		return nil
	}
	k.mutex.Lock()
	planned := k.plans[pod.UID]
	if planned.stage != next.name {
		planned = plan{next.name, time.Now().Add(next.after)}
		k.plans[pod.UID] = planned
	}
	k.mutex.Unlock()
	if wait := time.Until(planned.due); wait > 0 {
		k.queue.AddAfter(key, wait)
		return nil
	}
	pods := k.client.CoreV1().Pods(namespace)
	switch next.name {
	case bind:
		err := pods.Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
		}, metav1.CreateOptions{})
		return err
	case remove:
		now := int64(0)
		return pods.Delete(ctx, name, metav1.DeleteOptions{
			GracePeriodSeconds: &now,
			Preconditions:      &metav1.Preconditions{UID: &pod.UID},
		})
	}
	if next.change == nil {
		return errors.New("a stage without a change")
	}
	changed := pod.DeepCopy()
	next.change(changed)
	_, err = pods.UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	return err
}
