// Command host loads plugins as the original controller does, with Argo Rollouts' own client packages, and calls them to
// order.
//
//	host -config DATA.json
//	host -proxy URL
//
// DATA.json is the data of an argo-rollouts-config ConfigMap; plugins are copied to plugin-bin/ of the working directory.
// Each line of standard input is one call, and is answered by one line of standard output:
//
//	{"kind":"metric-provider","name":"ns/name","method":"run","input":{"analysisRun":{...},"metric":{...}}}
//	{"measurement":{...}}
//
// Kinds, methods and the fields of input are those of `rollcage plugin call`. An answer has the field "unavailable" when the
// plugin could not be had, with what the client says. The client's log goes to standard error. At the end of standard input
// the plugins are ended as the controller ends them.
//
// -proxy serves the API server at URL to Go programs, see proxy.go.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	goPlugin "github.com/hashicorp/go-plugin"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/argoproj/argo-rollouts/utils/config"
	"github.com/argoproj/argo-rollouts/utils/defaults"
	"github.com/argoproj/argo-rollouts/utils/plugin"
)

type request struct {
	Kind   string          `json:"kind"`
	Name   string          `json:"name"`
	Method string          `json:"method"`
	Input  json.RawMessage `json:"input"`
}

func main() {
	data := flag.String("config", "", "the ConfigMap's data, as JSON")
	target := flag.String("proxy", "", "an API server to stand before")
	flag.Parse()
	var err error
	if *target != "" {
		err = proxy(*target)
	} else {
		err = run(*data)
		goPlugin.CleanupClients()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(data string) error {
	if err := configure(data); err != nil {
		return err
	}
	// One line may be a whole Rollout.
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	requests, answers := json.NewDecoder(lines), json.NewEncoder(os.Stdout)
	for requests.More() {
		var request request
		if err := requests.Decode(&request); err != nil {
			return err
		}
		answer, err := call(request)
		if err != nil {
			return fmt.Errorf("%s %s: %w", request.Kind, request.Method, err)
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

// configure does what the controller does when it starts, against an API server that has nothing but the ConfigMap.
func configure(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	object := corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: defaults.DefaultRolloutsConfigMapName, Namespace: defaults.Namespace()},
	}
	if err := json.Unmarshal(text, &object.Data); err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(response).Encode(object)
	}))
	defer server.Close()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		return err
	}
	if _, err := config.InitializeConfig(client, object.Name); err != nil {
		return err
	}
	return plugin.DownloadPlugins(plugin.FileDownloaderImpl{}, client)
}
