package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	metric "github.com/argoproj/argo-rollouts/metricproviders/plugin/client"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	step "github.com/argoproj/argo-rollouts/rollout/steps/plugin/client"
	router "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/client"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

type answer map[string]any

// input has every field that a method may take.
type input struct {
	AnalysisRun *v1alpha1.AnalysisRun `json:"analysisRun"`
	Metric      v1alpha1.Metric       `json:"metric"`
	Measurement v1alpha1.Measurement  `json:"measurement"`
	Limit       int                   `json:"limit"`

	Rollout                *v1alpha1.Rollout            `json:"rollout"`
	CanaryHash             string                       `json:"canaryHash"`
	StableHash             string                       `json:"stableHash"`
	DesiredWeight          int32                        `json:"desiredWeight"`
	AdditionalDestinations []v1alpha1.WeightDestination `json:"additionalDestinations"`
	SetHeaderRoute         *v1alpha1.SetHeaderRoute     `json:"setHeaderRoute"`
	SetMirrorRoute         *v1alpha1.SetMirrorRoute     `json:"setMirrorRoute"`

	Context *struct {
		PluginName string          `json:"pluginName"`
		Config     json.RawMessage `json:"config"`
		Status     json.RawMessage `json:"status"`
	} `json:"context"`
}

func call(request request) (answer, error) {
	var in input
	if len(request.Input) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(request.Input))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&in); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	answer, err := byKind(request, in)
	if answer != nil {
		answer["milliseconds"] = time.Since(began).Milliseconds()
	}
	return answer, err
}

func byKind(request request, in input) (answer, error) {
	switch request.Kind {
	case "metric-provider":
		return callMetric(request, in)
	case "traffic-router":
		return callRouter(request, in)
	case "step":
		return callStep(request, in)
	}
	return nil, fmt.Errorf("no such kind")
}

var errMethod = fmt.Errorf("no such method")

func unavailable(err error) answer { return answer{"unavailable": err.Error()} }

func rpcError(err types.RpcError) answer { return answer{"error": err.ErrorString} }

func callMetric(request request, in input) (answer, error) {
	// The client finds the plugin by the metric's own configuration.
	named := v1alpha1.Metric{Provider: v1alpha1.MetricProvider{Plugin: map[string]json.RawMessage{request.Name: nil}}}
	plugin, err := metric.GetMetricPlugin(named)
	if err != nil {
		return unavailable(err), nil
	}
	switch request.Method {
	case "run":
		return answer{"measurement": plugin.Run(in.AnalysisRun, in.Metric)}, nil
	case "resume":
		return answer{"measurement": plugin.Resume(in.AnalysisRun, in.Metric, in.Measurement)}, nil
	case "terminate":
		return answer{"measurement": plugin.Terminate(in.AnalysisRun, in.Metric, in.Measurement)}, nil
	case "garbage-collect":
		return rpcError(plugin.GarbageCollect(in.AnalysisRun, in.Metric, in.Limit)), nil
	case "get-metadata":
		return answer{"metadata": plugin.GetMetadata(in.Metric)}, nil
	case "type":
		return answer{"type": plugin.Type()}, nil
	}
	return nil, errMethod
}

func callRouter(request request, in input) (answer, error) {
	plugin, err := router.GetTrafficPlugin(request.Name)
	if err != nil {
		return unavailable(err), nil
	}
	switch request.Method {
	case "update-hash":
		return rpcError(plugin.UpdateHash(in.Rollout, in.CanaryHash, in.StableHash, in.AdditionalDestinations)), nil
	case "set-weight":
		return rpcError(plugin.SetWeight(in.Rollout, in.DesiredWeight, in.AdditionalDestinations)), nil
	case "verify-weight":
		verified, err := plugin.VerifyWeight(in.Rollout, in.DesiredWeight, in.AdditionalDestinations)
		answer := rpcError(err)
		// Three-valued: null is "does not say".
		answer["verified"] = verified.IsVerified()
		return answer, nil
	case "set-header-route":
		return rpcError(plugin.SetHeaderRoute(in.Rollout, in.SetHeaderRoute)), nil
	case "set-mirror-route":
		return rpcError(plugin.SetMirrorRoute(in.Rollout, in.SetMirrorRoute)), nil
	case "remove-managed-routes":
		return rpcError(plugin.RemoveManagedRoutes(in.Rollout)), nil
	case "type":
		return answer{"type": plugin.Type()}, nil
	}
	return nil, errMethod
}

func callStep(request request, in input) (answer, error) {
	plugin, err := step.GetPlugin(request.Name)
	if err != nil {
		return unavailable(err), nil
	}
	var context *types.RpcStepContext
	if in.Context != nil {
		context = &types.RpcStepContext{
			PluginName: in.Context.PluginName, Config: in.Context.Config, Status: in.Context.Status,
		}
	}
	method := map[string]func(*v1alpha1.Rollout, *types.RpcStepContext) (types.RpcStepResult, types.RpcError){
		"run": plugin.Run, "terminate": plugin.Terminate, "abort": plugin.Abort,
	}[request.Method]
	switch {
	case method != nil:
		result, err := method(in.Rollout, context)
		answer := rpcError(err)
		answer["result"] = map[string]any{
			"phase": result.Phase, "message": result.Message,
			"requeueAfterMs": result.RequeueAfter.Milliseconds(), "status": result.Status,
		}
		return answer, nil
	case request.Method == "type":
		return answer{"type": plugin.Type()}, nil
	}
	return nil, errMethod
}
