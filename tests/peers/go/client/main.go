// Command client measures calls of a native plugin through Argo Rollouts' own client packages.
//
//	client -plugin FILE -run ANALYSISRUN.json -callers 1 -calls 20000 -warmup 2000
//	client -plugin FILE -rollout ROLLOUT.json -callers 16 -calls 20000 -warmup 2000
//
// It prints one line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goPlugin "github.com/hashicorp/go-plugin"

	"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	routerrpc "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
)

type result struct {
	P50            float64 `json:"p50Us"`
	P99            float64 `json:"p99Us"`
	CallsPerSecond float64 `json:"callsPerSecond"`
	CPU            float64 `json:"cpuUsPerCall"`
	HostCPU        float64 `json:"hostCpuUsPerCall"`
	HostRSS        uint64  `json:"hostRssBytes"`
	PluginRSS      uint64  `json:"pluginRssBytes"`
	StartMs        float64 `json:"startMs"`
}

func main() {
	if err := measure(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func measure() error {
	pluginFile := flag.String("plugin", "", "the plugin's executable")
	runFile := flag.String("run", "", "an AnalysisRun as JSON; its first metric is measured")
	rolloutFile := flag.String("rollout", "", "instead, a Rollout as JSON; its weight is set")
	callers := flag.Int("callers", 1, "concurrent callers")
	calls := flag.Int("calls", 20000, "measured calls, of all callers")
	warmup := flag.Int("warmup", 2000, "calls before")
	flag.Parse()

	var kind kind
	var err error
	if *rolloutFile != "" {
		kind, err = router(*rolloutFile)
	} else {
		kind, err = metricProvider(*runFile)
	}
	if err != nil {
		return err
	}

	started := time.Now()
	command := exec.Command(*pluginFile)
	// As Argo's client packages set it up, which themselves find plugins by a ConfigMap; only its log goes nowhere.
	client := goPlugin.NewClient(&goPlugin.ClientConfig{
		HandshakeConfig: goPlugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: kind.cookie,
		},
		Plugins: map[string]goPlugin.Plugin{kind.service: kind.plugin},
		Cmd:     command,
		Managed: true,
		Logger:  hclog.New(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Trace, Name: "plugin"}),
	})
	defer client.Kill()
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(kind.service)
	if err != nil {
		return err
	}
	caller, err := kind.init(raw)
	if err != nil {
		return err
	}
	if err := protocol.Ping(); err != nil {
		return err
	}
	if err := caller()(); err != nil {
		return err
	}
	start := time.Since(started)

	pid := command.Process.Pid
	rss, err := residentBytes(pid)
	if err != nil {
		return err
	}
	if _, err := callAll(caller, *callers, *warmup); err != nil {
		return err
	}
	own, cpu, err := processorTime(pid)
	if err != nil {
		return err
	}
	began := time.Now()
	times, err := callAll(caller, *callers, *calls)
	if err != nil {
		return err
	}
	elapsed := time.Since(began)
	ownAfter, after, err := processorTime(pid)
	if err != nil {
		return err
	}
	hostRSS, err := residentBytes(os.Getpid())
	if err != nil {
		return err
	}
	made := float64(len(times))
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	return json.NewEncoder(os.Stdout).Encode(result{
		P50:            microseconds(times[len(times)/2]),
		P99:            microseconds(times[len(times)*99/100]),
		CallsPerSecond: made / elapsed.Seconds(),
		CPU:            microseconds(ownAfter-own+after-cpu) / made,
		HostCPU:        microseconds(ownAfter-own) / made,
		HostRSS:        hostRSS,
		PluginRSS:      rss,
		StartMs:        microseconds(start) / 1000,
	})
}

// kind is what differs between kinds of plugins.
type kind struct {
	cookie  string
	service string
	plugin  goPlugin.Plugin
	// init initializes what was dispensed, and gives what makes the call that is measured: for a caller with an object of its
	// own, as in a controller.
	init func(dispensed any) (func() func() error, error)
}

func metricProvider(file string) (kind, error) {
	var run v1alpha1.AnalysisRun
	if err := readJSON(file, &run); err != nil {
		return kind{}, err
	}
	init := func(dispensed any) (func() func() error, error) {
		provider := dispensed.(rpc.MetricProviderPlugin)
		if err := provider.InitPlugin(); err.HasError() {
			return nil, err
		}
		return func() func() error {
			run := run.DeepCopy()
			metric := run.Spec.Metrics[0]
			return func() error {
				measurement := provider.Run(run, metric)
				if measurement.Phase != v1alpha1.AnalysisPhaseSuccessful || measurement.Value != "1" {
					return fmt.Errorf("the plugin answered %+v", measurement)
				}
				return nil
			}
		}, nil
	}
	return kind{"metricprovider", "RpcMetricProviderPlugin", &rpc.RpcMetricProviderPlugin{}, init}, nil
}

func router(file string) (kind, error) {
	var rollout v1alpha1.Rollout
	if err := readJSON(file, &rollout); err != nil {
		return kind{}, err
	}
	init := func(dispensed any) (func() func() error, error) {
		router := dispensed.(routerrpc.TrafficRouterPlugin)
		if err := router.InitPlugin(); err.HasError() {
			return nil, err
		}
		return func() func() error {
			rollout := rollout.DeepCopy()
			return func() error {
				if err := router.SetWeight(rollout, 20, nil); err.HasError() {
					return err
				}
				return nil
			}
		}, nil
	}
	return kind{"trafficrouter", "RpcTrafficRouterPlugin", &routerrpc.RpcTrafficRouterPlugin{}, init}, nil
}

func readJSON(file string, to any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

func callAll(newCaller func() func() error, callers, calls int) ([]time.Duration, error) {
	each := calls / callers
	times := make([]time.Duration, each*callers)
	errs := make([]error, callers)
	var group sync.WaitGroup
	for caller := range callers {
		group.Add(1)
		go func() {
			defer group.Done()
			call := newCaller()
			mine := times[caller*each : (caller+1)*each]
			for index := range mine {
				began := time.Now()
				if errs[caller] = call(); errs[caller] != nil {
					return
				}
				mine[index] = time.Since(began)
			}
		}()
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return times, nil
}

func microseconds(time time.Duration) float64 { return float64(time.Nanoseconds()) / 1000 }

// processorTime is what this process has used, and the plugin.
func processorTime(pid int) (own, plugin time.Duration, err error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, 0, err
	}
	own = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	// Nanoseconds on a processor, per thread; /proc/PID/stat counts in hundredths of a second.
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, 0, err
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			return 0, 0, err
		}
		fields := strings.Fields(string(text))
		if len(fields) == 0 {
			return 0, 0, fmt.Errorf("%s is empty", task)
		}
		used, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		plugin += time.Duration(used)
	}
	return own, plugin, nil
}

func residentBytes(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("no memory of process %d", pid)
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize()), err
}
