package main

import (
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

type metricProvider struct{}

func (metricProvider) InitPlugin() types.RpcError { return initialize() }

func (metricProvider) Run(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric) v1alpha1.Measurement {
	arguments := map[string]any{"analysisRun": run, "metric": metric}
	fresh := v1alpha1.Measurement{Phase: v1alpha1.AnalysisPhaseSuccessful, Value: "1"}
	return measure("Run", arguments, metric, fresh)
}

func (metricProvider) Resume(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, measurement v1alpha1.Measurement) v1alpha1.Measurement {
	arguments := map[string]any{"analysisRun": run, "metric": metric, "measurement": measurement}
	return measure("Resume", arguments, metric, measurement)
}

func (metricProvider) Terminate(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, measurement v1alpha1.Measurement) v1alpha1.Measurement {
	arguments := map[string]any{"analysisRun": run, "metric": metric, "measurement": measurement}
	return measure("Terminate", arguments, metric, measurement)
}

// measure answers the script's measurement, else the one that is given.
func measure(method string, arguments map[string]any, metric v1alpha1.Metric, measurement v1alpha1.Measurement) v1alpha1.Measurement {
	order := begin(method, arguments, only(metric.Provider.Plugin))
	if order.Error != "" {
		return v1alpha1.Measurement{Phase: v1alpha1.AnalysisPhaseError, Message: order.Error}
	}
	if len(order.Reply) > 0 {
		measurement = v1alpha1.Measurement{}
		order.replyInto(&measurement)
	}
	if size := largeReply(order.Fault); size > 0 {
		measurement.Value = text(size)
	}
	return measurement
}

func (metricProvider) GarbageCollect(run *v1alpha1.AnalysisRun, metric v1alpha1.Metric, limit int) types.RpcError {
	arguments := map[string]any{"analysisRun": run, "metric": metric, "limit": limit}
	return begin("GarbageCollect", arguments, only(metric.Provider.Plugin)).rpcError()
}

func (metricProvider) GetMetadata(metric v1alpha1.Metric) map[string]string {
	order := begin("GetMetadata", map[string]any{"metric": metric}, only(metric.Provider.Plugin))
	var metadata map[string]string
	order.replyInto(&metadata)
	return metadata
}

func (metricProvider) Type() string { return "own metric provider" }
