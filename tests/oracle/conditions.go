package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/evaluate"
	"github.com/expr-lang/expr"
	"github.com/sirupsen/logrus"
)

// conditions.evaluate: what one condition says of one result, and at which stage it failed.
func conditionsEvaluate(args struct {
	Condition string   `json:"condition"`
	Result    measured `json:"result"`
}) (any, error) {
	holds, err := evaluate.EvalCondition(args.Result.value, args.Condition)
	if err == nil {
		return map[string]any{"holds": holds}, nil
	}
	return map[string]any{"error": err.Error(), "stage": failedAt(args.Condition, args.Result.value, err)}, nil
}

// failedAt finds out where a condition failed, which its error does not say: by compiling it against the same types.
func failedAt(condition string, result any, failure error) string {
	types := map[string]any{
		"result":  result,
		"asInt":   func(any) int64 { return 0 },
		"asFloat": func(any) float64 { return 0 },
		"isNaN":   func(float64) bool { return false },
		"isInf":   func(float64) bool { return false },
		"isNil":   func(any) bool { return false },
		"default": func(any, any) any { return nil },
	}
	_, err := expr.Compile(condition, expr.Env(types))
	switch {
	case err != nil:
		return "compile"
	case strings.HasPrefix(failure.Error(), "expected bool, but got "):
		return "outcome"
	default:
		return "run"
	}
}

// conditions.assess: the phase that a metric's conditions give a result.
func conditionsAssess(args struct {
	Success string   `json:"success"`
	Failure string   `json:"failure"`
	Result  measured `json:"result"`
}) (any, error) {
	metric := v1alpha1.Metric{SuccessCondition: args.Success, FailureCondition: args.Failure}
	return evaluate.EvaluateResult(args.Result.value, metric, *logrus.NewEntry(logrus.New()))
}

// conditions.time: the moment that an expression stands for. It has a clock of its own, so that the answer also holds
// the moments between which it was asked.
func conditionsTime(args struct {
	Expression string `json:"expression"`
}) (any, error) {
	before := time.Now()
	at, err := evaluate.EvalTime(args.Expression)
	if err != nil {
		return nil, err
	}
	return map[string]time.Time{"time": at.UTC(), "after": before.UTC(), "before": time.Now().UTC()}, nil
}

// A result as a provider of metrics gives it: {"json": any JSON}, {"float64": "NaN"}, {"float64s": ["0.5", "+Inf"]}.
type measured struct{ value any }

func (m *measured) UnmarshalJSON(text []byte) error {
	var shape struct {
		JSON     json.RawMessage `json:"json"`
		Float64  *number         `json:"float64"`
		Float64s []number        `json:"float64s"`
	}
	if err := json.Unmarshal(text, &shape); err != nil {
		return err
	}
	switch {
	case shape.JSON != nil:
		return json.Unmarshal(shape.JSON, &m.value)
	case shape.Float64 != nil:
		m.value = float64(*shape.Float64)
	case shape.Float64s != nil:
		all := make([]float64, len(shape.Float64s))
		for at, one := range shape.Float64s {
			all[at] = float64(one)
		}
		m.value = all
	default:
		return fmt.Errorf("no result: %s", text)
	}
	return nil
}

// A float64 as text: JSON has no NaN.
type number float64

func (n *number) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	value, err := strconv.ParseFloat(digits, 64)
	*n = number(value)
	return err
}
