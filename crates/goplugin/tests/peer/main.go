// Command peer is a native plugin for the tests of the host: a real go-plugin server that can also misbehave.
//
// Its service has the methods of Argo Rollouts that need no objects, and a few of its own.
package main

import (
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"
)

type service struct{}

// RpcError is Argo's.
type RpcError struct{ ErrorString string }

func (service) InitPlugin(_ any, resp *RpcError) error {
	*resp = RpcError{ErrorString: os.Getenv("PEER_INIT_ERROR")}
	return nil
}

func (service) Type(_ any, resp *string) error {
	*resp = "peer"
	return nil
}

func (service) Echo(args string, resp *string) error {
	*resp = args
	return nil
}

// Slow answers after as many milliseconds.
func (service) Slow(millis uint, resp *uint) error {
	time.Sleep(time.Duration(millis) * time.Millisecond)
	*resp = millis
	return nil
}

// Do what the text says.
func (service) Do(what string, resp *string) error {
	*resp = "done"
	switch what {
	case "error":
		return errors.New("no, says the plugin")
	case "panic":
		panic("boom in a handler")
	case "exit":
		os.Exit(3)
	case "segfault":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Minute)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		// Another thread may be the one that takes the signal.
		time.Sleep(time.Second)
	case "hang":
		select {}
	case "stdout":
		// Raw: the pipe of the handshake.
		flood(os.NewFile(1, "raw stdout"))
	case "stderr":
		flood(os.NewFile(2, "raw stderr"))
	case "stderr-lines":
		floodOf(os.NewFile(2, "raw stderr"), "\xff\n")
	case "go-stdout":
		// By the session's own stream.
		flood(os.Stdout)
	case "grandchild", "daemon":
		// Holds standard output and error; a daemon has a session of its own as well.
		child := exec.Command("sleep", "600")
		child.Stdout, child.Stderr = os.NewFile(1, "raw stdout"), os.NewFile(2, "raw stderr")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: what == "daemon"}
		if err := child.Start(); err != nil {
			return err
		}
		*resp = fmt.Sprint(child.Process.Pid)
	case "memory":
		var kept [][]byte
		for range 64 {
			block := make([]byte, 64<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
		}
		*resp = fmt.Sprint(len(kept))
	case "environment":
		*resp = strings.Join(os.Environ(), "\n")
	case "look":
		open, _ := os.ReadDir("/proc/self/fd")
		var fds []string
		for _, fd := range open {
			target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
			fds = append(fds, fd.Name()+"="+target)
		}
		work, _ := os.Getwd()
		limits, _ := os.ReadFile("/proc/self/limits")
		*resp = fmt.Sprintf("uid=%d\nwork=%s\nfds=%s\n%s", os.Getuid(), work, strings.Join(fds, " "), limits)
	}
	return nil
}

// A hundred megabytes in one line that never ends, and bytes that are no text.
func flood(file *os.File) { floodOf(file, "\xff") }

// As many megabytes, each of which ends so.
func floodOf(file *os.File, end string) {
	block := []byte(strings.Repeat("x", 1<<20-len(end)) + end)
	for range 100 {
		if _, err := file.Write(block); err != nil {
			panic(err)
		}
	}
}

type pluginOf struct{ plugin.NetRPCUnsupportedPlugin }

func (pluginOf) Server(*plugin.MuxBroker) (any, error) { return service{}, nil }

func (pluginOf) Client(*plugin.MuxBroker, *rpc.Client) (any, error) { return nil, nil }

func main() {
	version := uint(1)
	name, cookie := "RpcMetricProviderPlugin", "metricprovider"
	for _, arg := range os.Args[1:] {
		if template, found := strings.CutPrefix(arg, "line="); found {
			relay(template)
		}
		switch arg {
		case "host":
			if err := host(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		case "other-version":
			version = 2
		case "other-name":
			name = "AnotherPlugin"
		case "other-cookie":
			cookie = "basic"
		case "leave-late":
			defer time.Sleep(100 * time.Millisecond)
		case "leave-quit":
			// Quit ends Serve; the process stays.
			defer stay()
		}
	}
	fmt.Fprintln(os.Stderr, `{"@level":3,"@message":null}`)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  version,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: cookie,
		},
		Plugins: map[string]plugin.Plugin{name: pluginOf{}},
	})
}

func stay() {
	for {
		time.Sleep(time.Hour)
	}
}
