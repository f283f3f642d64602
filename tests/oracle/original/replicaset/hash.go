//go:build original

package replicaset

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/utils/conditions"
	"github.com/argoproj/argo-rollouts/utils/hash"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Hashes are those of a Rollout as its API server hands it out: read without types first, then through JSON once more.
func Hashes(args struct {
	Rollout map[string]any `json:"rollout"`
}) (any, error) {
	// Integers are integers there.
	var ro, again v1alpha1.Rollout
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(integers(args.Rollout).(map[string]any), &ro); err != nil {
		return nil, fmt.Errorf("malformed")
	}
	text, err := json.Marshal(ro)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &again); err != nil {
		return nil, err
	}
	return map[string]string{
		"pods":  hash.ComputePodTemplateHash(&again.Spec.Template, again.Status.CollisionCount),
		"steps": conditions.ComputeStepHash(&again),
	}, nil
}

func integers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, inner := range value {
			value[name] = integers(inner)
		}
	case []any:
		for at, inner := range value {
			value[at] = integers(inner)
		}
	case float64:
		if value == float64(int64(value)) {
			return int64(value)
		}
	}
	return value
}

// Fields is the table of what hashes are made of.
func Fields(struct{}) (string, error) {
	var table strings.Builder
	seen := map[reflect.Type]bool{}
	waiting := []reflect.Type{reflect.TypeFor[corev1.PodTemplateSpec](), reflect.TypeFor[v1alpha1.CanaryStep]()}
	names := map[string]reflect.Type{}
	for len(waiting) > 0 {
		next := waiting[0]
		waiting = waiting[1:]
		if seen[next] {
			continue
		}
		seen[next] = true
		if other, taken := names[next.Name()]; taken {
			return "", fmt.Errorf("two types are named %s: %s and %s", next.Name(), other.PkgPath(), next.PkgPath())
		}
		names[next.Name()] = next
		table.WriteString(next.Name() + "\n")
		more, err := fieldsOf(next, &table)
		if err != nil {
			return "", err
		}
		waiting = append(waiting, more...)
	}
	return table.String(), nil
}

func fieldsOf(of reflect.Type, table *strings.Builder) (structs []reflect.Type, err error) {
	for at := range of.NumField() {
		field := of.Field(at)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || !field.IsExported() {
			continue
		}
		if field.Anonymous && name == "" {
			more, err := fieldsOf(field.Type, table)
			if err != nil {
				return nil, err
			}
			structs = append(structs, more...)
			continue
		}
		text, inner, err := typeOf(field.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", of.Name(), field.Name, err)
		}
		if inner != nil {
			structs = append(structs, inner)
		}
		for _, option := range strings.Split(options, ",") {
			if option == "omitempty" || option == "omitzero" {
				name += "," + option
			}
		}
		fmt.Fprintf(table, "  %s %s\n", name, text)
	}
	return structs, nil
}

func typeOf(of reflect.Type) (text string, inner reflect.Type, err error) {
	switch of {
	case reflect.TypeFor[metav1.Time]():
		return "time", nil, nil
	case reflect.TypeFor[resource.Quantity]():
		return "quantity", nil, nil
	case reflect.TypeFor[intstr.IntOrString]():
		return "int-or-string", nil, nil
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[metav1.FieldsV1]():
		return "raw", nil, nil
	}
	if marshaler := reflect.TypeFor[json.Marshaler](); of.Kind() != reflect.Pointer && reflect.PointerTo(of).Implements(marshaler) {
		return "", nil, fmt.Errorf("%s writes itself", of)
	}
	wrap := ""
	switch of.Kind() {
	case reflect.Pointer:
		wrap = "*"
	case reflect.Slice:
		wrap = "[]"
		if of.Elem().Kind() == reflect.Uint8 {
			return "", nil, fmt.Errorf("bytes")
		}
	case reflect.Map:
		wrap = "{}"
	case reflect.Struct:
		return of.Name(), of, nil
	case reflect.String:
		return "string", nil, nil
	case reflect.Bool:
		return "bool", nil, nil
	case reflect.Int32, reflect.Int64, reflect.Int:
		return "int", nil, nil
	default:
		return "", nil, fmt.Errorf("no such kind: %s", of)
	}
	text, inner, err = typeOf(of.Elem())
	return wrap + text, inner, err
}
