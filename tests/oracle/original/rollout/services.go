//go:build original

package rollout

import (
	"context"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Patches as they are noted: whose the Service is from now on, and the hash that it selects.
const (
	switchSelectorPatch                = "selects %s"
	switchSelectorAndAddManagedByPatch = "becomes %s's and selects %s"
)

// CoreV1 notes what is changed of Services.
func (c cluster) CoreV1() network { return network(c) }

type network struct{ calls *[]string }

func (n network) Services(_ string) network { return n }

func (n network) Patch(_ context.Context, name string, _ types.PatchType, patch []byte, _ metav1.PatchOptions) (*corev1.Service, error) {
	*n.calls = append(*n.calls, name+" "+string(patch))
	return nil, nil
}

// services are names, and what is known of these.
type services map[string]struct {
	Hash    string `json:"hash"`
	Managed bool   `json:"managed"`
}

func (s services) Services(_ string) services { return s }

func (s services) Get(name string) (*corev1.Service, error) {
	known, ok := s[name]
	if !ok {
		return nil, errors.NewNotFound(schema.GroupResource{Resource: "services"}, name)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if known.Hash != "" {
		service.Spec.Selector = map[string]string{v1alpha1.DefaultRolloutUniqueLabelKey: known.Hash}
	}
	if known.Managed {
		service.Annotations = map[string]string{v1alpha1.ManagedByRolloutsKey: "web"}
	}
	return service, nil
}

// ServicesArgs is a scene, what is known of its Services, and whether the pass aborts the release.
type ServicesArgs struct {
	Scene
	Services services `json:"services"`
	Abort    *string  `json:"abort"`
}

// ServicesResult is what changes at the Services.
type ServicesResult struct {
	Calls  []string `json:"calls"`
	Events []string `json:"events"`
}

// Services is the part of a pass that changes Services.
func Services(args ServicesArgs) (*ServicesResult, error) {
	c := args.context()
	c.servicesLister = args.Services
	c.begin(args.Abort)
	if err := c.reconcilePingAndPongService(); err != nil {
		return nil, err
	}
	if err := c.reconcileStableAndCanaryService(); err != nil {
		return nil, err
	}
	return &ServicesResult{Calls: *c.calls, Events: *c.recorder.events}, nil
}
