//go:build !nostep

package main

import (
	goPlugin "github.com/hashicorp/go-plugin"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

func init() {
	served["step"] = struct {
		name   string
		plugin goPlugin.Plugin
	}{"RpcStepPlugin", &rpc.RpcStepPlugin{Impl: step{}}}
}

type step struct{}

func (step) InitPlugin() types.RpcError { return initialize() }

func (step) Run(rollout *v1alpha1.Rollout, context *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return work("Run", rollout, context)
}

func (step) Terminate(rollout *v1alpha1.Rollout, context *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return work("Terminate", rollout, context)
}

func (step) Abort(rollout *v1alpha1.Rollout, context *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	return work("Abort", rollout, context)
}

func (step) Type() string { return "own step" }

// work answers the script's result, else that it is done, with the state that it was given.
func work(method string, rollout *v1alpha1.Rollout, context *types.RpcStepContext) (types.RpcStepResult, types.RpcError) {
	arguments := map[string]any{"rollout": rollout}
	result := types.RpcStepResult{Phase: types.PhaseSuccessful}
	var order script
	if context == nil {
		order = begin(method, arguments, nil)
	} else {
		arguments["context"] = context
		order = begin(method, arguments, context.Config)
		result.Status = context.Status
	}
	if len(order.Reply) > 0 {
		result = types.RpcStepResult{}
		order.replyInto(&result)
	}
	return result, order.rpcError()
}
