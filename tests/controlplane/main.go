// controlplane is a Kubernetes control plane for tests, in one program: etcd, kube-apiserver, kube-controller-manager,
// kubectl and a fake kubelet, one sub-command each, and `up`, which makes certificates and runs the others as children.
//
//	up ──> etcd ──> kube-apiserver ──> kube-controller-manager
//	                     ^ └─────────> kubelet (binds pods, says how they are, deletes them)
//	                     └── TLS, RBAC, ServiceAccounts' tokens: kubeconfigs in the folder of this cluster
//
// A link named kubectl to the program is a kubectl.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	parts := map[string]func() *cobra.Command{
		"etcd":                    etcdCommand,
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": manager.NewControllerManagerCommand,
		"kubectl":                 kubectl.NewDefaultKubectlCommand,
		"kubelet":                 kubeletCommand,
		"up":                      upCommand,
	}
	name := filepath.Base(os.Args[0])
	if parts[name] == nil && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	part := parts[name]
	if part == nil {
		fmt.Fprintln(os.Stderr, "usage: controlplane up|kubectl|etcd|kube-apiserver|kube-controller-manager|kubelet [flags]")
		os.Exit(2)
	}
	os.Exit(cli.Run(part()))
}
