package main

import (
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

type trafficRouter struct{}

func (trafficRouter) InitPlugin() types.RpcError { return initialize() }

func (trafficRouter) UpdateHash(rollout *v1alpha1.Rollout, canaryHash, stableHash string, additional []v1alpha1.WeightDestination) types.RpcError {
	return route("UpdateHash", rollout, map[string]any{
		"canaryHash": canaryHash, "stableHash": stableHash, "additionalDestinations": additional,
	}).rpcError()
}

func (trafficRouter) SetWeight(rollout *v1alpha1.Rollout, weight int32, additional []v1alpha1.WeightDestination) types.RpcError {
	return route("SetWeight", rollout, map[string]any{
		"desiredWeight": weight, "additionalDestinations": additional,
	}).rpcError()
}

func (trafficRouter) VerifyWeight(rollout *v1alpha1.Rollout, weight int32, additional []v1alpha1.WeightDestination) (types.RpcVerified, types.RpcError) {
	order := route("VerifyWeight", rollout, map[string]any{
		"desiredWeight": weight, "additionalDestinations": additional,
	})
	verified := types.Verified
	order.replyInto(&verified)
	return verified, order.rpcError()
}

func (trafficRouter) SetHeaderRoute(rollout *v1alpha1.Rollout, header *v1alpha1.SetHeaderRoute) types.RpcError {
	return route("SetHeaderRoute", rollout, map[string]any{"setHeaderRoute": header}).rpcError()
}

func (trafficRouter) SetMirrorRoute(rollout *v1alpha1.Rollout, mirror *v1alpha1.SetMirrorRoute) types.RpcError {
	return route("SetMirrorRoute", rollout, map[string]any{"setMirrorRoute": mirror}).rpcError()
}

func (trafficRouter) RemoveManagedRoutes(rollout *v1alpha1.Rollout) types.RpcError {
	return route("RemoveManagedRoutes", rollout, map[string]any{}).rpcError()
}

func (trafficRouter) Type() string { return "own traffic router" }

func route(method string, rollout *v1alpha1.Rollout, arguments map[string]any) script {
	arguments["rollout"] = rollout
	canary := rollout.Spec.Strategy.Canary
	if canary == nil || canary.TrafficRouting == nil {
		return begin(method, arguments, nil)
	}
	return begin(method, arguments, only(canary.TrafficRouting.Plugins))
}
