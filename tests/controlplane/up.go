package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// How long a part may take to get ready: this machine may be busy with other tests.
const patience = 120 * time.Second

// What each request to the API server came to is in audit.log, one JSON object a line.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  userGroups: ["system:nodes", "system:masters", "system:unauthenticated"]
- level: None
  users: ["system:apiserver", "system:kube-controller-manager"]
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
`

// cluster is one control plane in one folder.
type cluster struct {
	folder     string
	etcd       string
	server     string
	admin      string
	client     *kubernetes.Clientset
	children   []*child
	fair       bool
	extra      []string
	startedAt  time.Time
	httpHealth *http.Client
}

func upCommand() *cobra.Command {
	c := &cluster{httpHealth: &http.Client{Timeout: 2 * time.Second}}
	command := &cobra.Command{
		Use:   "up --dir DIR",
		Short: "make certificates, run all parts, and obey the commands on standard input until it ends",
		Long: `Prints one JSON object when all is ready: {"ready": {"server", "kubeconfig", "seconds"}}.
Then each line on standard input is a command, answered by one JSON object, {"ok": true} or {"error": "..."}:
  stop|kill|freeze|thaw|start PART     with PART one of etcd, kube-apiserver, kube-controller-manager, kubelet
Start answers when the part is ready. The end of standard input ends all parts.`,
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return c.run() },
	}
	command.Flags().StringVar(&c.folder, "dir", "", "folder for certificates, kubeconfigs, data and logs")
	command.Flags().BoolVar(&c.fair, "fair", false, "keep the API server's limits: priority and fairness, requests in flight")
	command.Flags().StringArrayVar(&c.extra, "apiserver-flag", nil, "one more flag for kube-apiserver")
	_ = command.MarkFlagRequired("dir")
	return command
}

func (c *cluster) run() error {
	// See child.start.
	runtime.LockOSThread()
	c.startedAt = time.Now()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	lines := make(chan string)
	go func() {
		input := bufio.NewScanner(os.Stdin)
		for input.Scan() {
			lines <- input.Text()
		}
		close(lines)
	}()
	defer c.end()
	answers := json.NewEncoder(os.Stdout)
	if err := c.prepare(); err != nil {
		return err
	}
	for _, part := range c.children {
		if err := c.startPart(part); err != nil {
			return err
		}
	}
	if err := c.settle(); err != nil {
		return err
	}
	ready := map[string]any{"server": c.server, "kubeconfig": c.admin, "seconds": time.Since(c.startedAt).Seconds()}
	if err := answers.Encode(map[string]any{"ready": ready}); err != nil {
		return err
	}
	for {
		select {
		case <-stop:
			return nil
		case line, more := <-lines:
			if !more {
				return nil
			}
			answer := map[string]any{"ok": true}
			if err := c.obey(line); err != nil {
				answer = map[string]any{"error": err.Error()}
			}
			if err := answers.Encode(answer); err != nil {
				return err
			}
		}
	}
}

func (c *cluster) prepare() error {
	folder, err := filepath.Abs(c.folder)
	if err != nil {
		return err
	}
	c.folder = folder
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = holdPort(); err != nil {
			return fmt.Errorf("finding a free port: %w", err)
		}
	}
	c.etcd = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	c.server = fmt.Sprintf("https://127.0.0.1:%d", ports[2])
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	ca, err := write(folder, "ca.crt", authority.pem)
	if err != nil {
		return err
	}
	certificate, key, err := authority.server()
	if err != nil {
		return err
	}
	serverCertificate, err := write(folder, "server.crt", certificate)
	if err != nil {
		return err
	}
	serverKey, err := write(folder, "server.key", key)
	if err != nil {
		return err
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	encoded, err := encodeKey(signer)
	if err != nil {
		return err
	}
	accounts, err := write(folder, "accounts.key", encoded)
	if err != nil {
		return err
	}
	policy, err := write(folder, "audit.yaml", []byte(auditPolicy))
	if err != nil {
		return err
	}
	if c.admin, err = authority.kubeconfig(folder, "admin", c.server, "admin", "system:masters"); err != nil {
		return err
	}
	// The built-in rules of RBAC already bind this name.
	manager := "kube-controller-manager"
	managerConfig, err := authority.kubeconfig(folder, manager, c.server, "system:"+manager)
	if err != nil {
		return err
	}
	kubelet, err := authority.kubeconfig(folder, "kubelet", c.server, "kubelet", "system:masters")
	if err != nil {
		return err
	}
	apiserver := []string{
		"--etcd-servers=" + c.etcd,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--permit-port-sharing=true",
		fmt.Sprintf("--secure-port=%d", ports[2]),
		"--tls-cert-file=" + serverCertificate, "--tls-private-key-file=" + serverKey, "--client-ca-file=" + ca,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + accounts, "--service-account-signing-key-file=" + accounts,
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--endpoint-reconciler-type=none",
		"--audit-policy-file=" + policy, "--audit-log-path=" + filepath.Join(folder, "audit.log"),
	}
	if !c.fair {
		apiserver = append(apiserver, "--enable-priority-and-fairness=false", "--max-requests-inflight=0",
			"--max-mutating-requests-inflight=0")
	}
	apiserver = append(apiserver, c.extra...)
	c.children = []*child{
		{name: "etcd", folder: folder, arguments: []string{
			"--data-dir=" + filepath.Join(folder, "etcd"), "--client=" + c.etcd,
			fmt.Sprintf("--peer=http://127.0.0.1:%d", ports[1]),
		}},
		{name: "kube-apiserver", folder: folder, arguments: apiserver},
		{name: manager, folder: folder, arguments: []string{
			"--kubeconfig=" + managerConfig, "--bind-address=127.0.0.1", "--secure-port=0",
			"--service-account-private-key-file=" + accounts, "--root-ca-file=" + ca,
			"--use-service-account-credentials=true", "--leader-elect=false",
			// Our node never fails.
			"--controllers=*,-node-lifecycle-controller",
			"--kube-api-qps=300", "--kube-api-burst=500",
		}},
		{name: "kubelet", folder: folder, arguments: []string{"--kubeconfig=" + kubelet}},
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.admin)
	if err != nil {
		return err
	}
	c.client, err = kubernetes.NewForConfig(config)
	return err
}

// startPart waits for what the next part needs of this one.
func (c *cluster) startPart(part *child) error {
	if err := part.start(); err != nil {
		return err
	}
	switch part.name {
	case "etcd":
		return c.wait(part, func(context.Context) bool {
			answer, err := c.httpHealth.Get(c.etcd + "/health")
			if err != nil {
				return false
			}
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body)
			return answer.StatusCode == http.StatusOK
		})
	case "kube-apiserver":
		return c.wait(part, func(ctx context.Context) bool {
			return c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
		})
	}
	return nil
}

// settle waits for all that a first pod needs.
func (c *cluster) settle() error {
	for _, part := range c.children[2:] {
		ready := func(ctx context.Context) bool {
			_, err := c.client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
			return err == nil
		}
		if part.name == "kubelet" {
			ready = func(ctx context.Context) bool {
				_, err := c.client.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
				return err == nil
			}
		}
		if err := c.wait(part, ready); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) wait(part *child, ready func(context.Context) bool) error {
	for started := time.Now(); time.Since(started) < patience; time.Sleep(25 * time.Millisecond) {
		if !part.isRunning() {
			return fmt.Errorf("%s ended early:\n%s", part.name, part.lastWords())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		is := ready(ctx)
		cancel()
		if is {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready after %s:\n%s", part.name, patience, part.lastWords())
}

func (c *cluster) obey(line string) error {
	verb, name, _ := strings.Cut(line, " ")
	for _, part := range c.children {
		if part.name != name {
			continue
		}
		switch verb {
		case "start":
			return c.startPart(part)
		case "stop":
			return part.signal(syscall.SIGTERM, true)
		case "kill":
			return part.signal(syscall.SIGKILL, true)
		case "freeze":
			return part.signal(syscall.SIGSTOP, false)
		case "thaw":
			return part.signal(syscall.SIGCONT, false)
		}
		return fmt.Errorf("no command %q", verb)
	}
	return fmt.Errorf("no part %q", name)
}

// end kills them, for nothing of theirs is kept.
func (c *cluster) end() {
	for i := len(c.children) - 1; i >= 0; i-- {
		_ = c.children[i].signal(syscall.SIGKILL, true)
	}
}
