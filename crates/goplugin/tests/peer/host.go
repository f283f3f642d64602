package main

import (
	"bufio"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-plugin"
)

// A service as a host of Argo Rollouts has it.
type dispensed struct{ plugin.NetRPCUnsupportedPlugin }

func (dispensed) Client(_ *plugin.MuxBroker, client *rpc.Client) (any, error) { return client, nil }

// host starts a plugin as Argo's controller does, without limits or a logger of its own, and does what the lines of its
// standard input say: `ping`, `type`, `rest DURATION`. It answers a line each; at the end it ends the plugin.
func host(command []string) error {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "step",
		},
		Plugins: map[string]plugin.Plugin{"RpcStepPlugin": dispensed{}},
		Cmd:     exec.Command(command[0], command[1:]...),
		Managed: true,
	})
	defer client.Kill()
	session, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := session.Dispense("RpcStepPlugin")
	if err != nil {
		return err
	}
	service := raw.(*rpc.Client)
	fmt.Println("dispensed")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var rest string
		switch _, _ = fmt.Sscanf(lines.Text(), "rest %s", &rest); {
		case rest != "":
			duration, err := time.ParseDuration(rest)
			if err != nil {
				return err
			}
			time.Sleep(duration)
			fmt.Println("rested")
		case lines.Text() == "ping":
			if err := session.Ping(); err != nil {
				return err
			}
			fmt.Println("pong")
		case lines.Text() == "type":
			var name string
			if err := service.Call("Plugin.Type", new(any), &name); err != nil {
				return err
			}
			fmt.Println(name)
		default:
			return fmt.Errorf("no such thing: %q", lines.Text())
		}
	}
	return lines.Err()
}
