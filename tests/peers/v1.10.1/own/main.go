// Command own is a native plugin for what upstream's samples cannot show. It serves the kind that its host asks for:
// every method, every argument told as it arrived, answers to order, and every way of going wrong.
//
//	own [-record FILE] [-fault NAME]
//
// -record appends one line of JSON for each call: {"method":"Run","arguments":{...}}. -fault is one of faults.go. What a
// call answers is in the configuration that it carries, see script.go.
//
// The same source is compiled against every version of Argo Rollouts that has a folder here.
package main

import (
	"flag"
	"fmt"
	"os"

	goPlugin "github.com/hashicorp/go-plugin"

	metric "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	router "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
)

// What Argo calls a kind: the cookie is the key. Those of steps are in step.go, since not every version has them.
var served = map[string]struct {
	name   string
	plugin goPlugin.Plugin
}{
	"metricprovider": {"RpcMetricProviderPlugin", &metric.RpcMetricProviderPlugin{Impl: metricProvider{}}},
	"trafficrouter":  {"RpcTrafficRouterPlugin", &router.RpcTrafficRouterPlugin{Impl: trafficRouter{}}},
}

const cookie = "ARGO_ROLLOUTS_RPC_PLUGIN"

func main() {
	flag.StringVar(&recordTo, "record", "", "append every call to this file")
	flag.StringVar(&fault, "fault", "", "go wrong in this way")
	flag.Parse()

	kind := os.Getenv(cookie)
	serves, known := served[kind]
	if !known {
		fmt.Fprintf(os.Stderr, "no plugin of kind %q\n", kind)
		os.Exit(1)
	}
	handshake := goPlugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: cookie, MagicCookieValue: kind}
	switch fault {
	case "other-name":
		serves.name = "AnotherPlugin"
	case "other-cookie":
		handshake.MagicCookieValue = "something else"
	case "app-version":
		handshake.ProtocolVersion = 2
	default:
		beforeHandshake()
	}
	goPlugin.Serve(&goPlugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         map[string]goPlugin.Plugin{serves.name: serves.plugin},
	})
	if fault == "ignores-quit" {
		forever()
	}
}
