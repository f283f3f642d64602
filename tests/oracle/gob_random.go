package main

import (
	"fmt"
	"math/rand"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	plugintypes "github.com/argoproj/argo-rollouts/utils/plugin/types"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Fills any of Argo's types with random content.
type filler struct {
	*rand.Rand
	density float64
}

// root is a new value of a type that crosses. A map is never nil there.
func (random filler) root(root wireRoot) reflect.Value {
	value := reflect.New(reflect.TypeOf(root.zero))
	random.fill(value.Elem(), 0)
	if root.name == "map" && value.Elem().IsNil() {
		value.Elem().Set(reflect.MakeMap(value.Elem().Type()))
	}
	return value
}

func (random filler) chance(depth int) bool {
	return random.Float64() < random.density/(1+float64(max(depth-8, 0))*(1-random.density))
}

func (random filler) text() string {
	pool := []string{"", "a", "canary", "rollouts.example/name", "line\nline", "quote\" \\ <&>", "größe – 木", strings.Repeat("long ", 60)}
	return pool[random.Intn(len(pool))]
}

func (random filler) json() []byte {
	pool := []string{
		`{}`, `null`, `[]`, `"text"`, `-1`, `true`, `{"b":1,"a":[1,2,{"c":null}]}`, `{"query":"a<b && c>d","n":1.5,"big":9007199254740993}`,
		`{"umlaut":"ü","escaped":"\u0000\"\\"}`, `{"spaced" : [ 1 , 2 ] }`,
	}
	return []byte(pool[random.Intn(len(pool))])
}

func (random filler) number(bits int) int64 {
	switch random.Intn(4) {
	case 0:
		return 0
	case 1:
		return random.Int63n(200) - 100
	case 2:
		return []int64{1<<(bits-1) - 1, -1 << (bits - 1)}[random.Intn(2)]
	default:
		return random.Int63() >> (64 - bits)
	}
}

func (random filler) time() metav1.Time {
	at := time.Unix(random.Int63n(5_000_000_000)-500_000_000, random.Int63n(1_000_000_000)*int64(random.Intn(2)))
	switch random.Intn(4) {
	case 0:
		return metav1.NewTime(at.UTC())
	case 1:
		return metav1.NewTime(at.In(time.FixedZone("", 5*3600+1800)))
	case 2:
		return metav1.NewTime(at.In(time.FixedZone("historic", -3600-17)))
	default:
		return metav1.NewTime(at)
	}
}

var phases = []v1alpha1.AnalysisPhase{"", "Pending", "Running", "Successful", "Failed", "Error", "Inconclusive"}

func (random filler) fill(value reflect.Value, depth int) {
	switch of := value.Type(); {
	case of == timeType:
		value.Set(reflect.ValueOf(random.time()))
	case of == durationType:
		value.SetInt(random.Int63n(int64(2 * time.Hour)))
	case of == reflect.TypeOf(resource.Quantity{}):
		pool := []string{"0", "1", "100m", "64Mi", "1.5Gi", "1e3", "2E6", "1E", "12k"}
		value.Set(reflect.ValueOf(resource.MustParse(pool[random.Intn(len(pool))])))
	case of == reflect.TypeOf(intstr.IntOrString{}):
		if random.Intn(2) == 0 {
			value.Set(reflect.ValueOf(intstr.FromInt32(int32(random.number(32)))))
		} else {
			value.Set(reflect.ValueOf(intstr.FromString(random.text())))
		}
	case of == reflect.TypeOf(metav1.FieldsV1{}):
		value.Set(reflect.ValueOf(metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)}))
	case of == reflect.TypeOf(v1alpha1.AnalysisPhase("")):
		value.SetString(string(phases[random.Intn(len(phases))]))
	case of == reflect.TypeOf(plugintypes.StepPhase("")):
		value.SetString([]string{"", "Running", "Successful", "Failed", "Error"}[random.Intn(5)])
	case of == reflect.TypeOf(plugintypes.RpcVerified(0)):
		value.SetInt(random.Int63n(4))
	case of.Kind() == reflect.Slice && of.Elem().Kind() == reflect.Uint8:
		value.SetBytes(random.json())
	default:
		switch of.Kind() {
		case reflect.Bool:
			value.SetBool(random.Intn(3) > 0)
		case reflect.String:
			value.SetString(random.text())
		case reflect.Int, reflect.Int64:
			value.SetInt(random.number(64))
		case reflect.Int32:
			value.SetInt(random.number(32))
		case reflect.Pointer:
			value.Set(reflect.New(of.Elem()))
			random.fill(value.Elem(), depth)
		case reflect.Slice:
			length := random.Intn(3)
			if random.density >= 1 {
				length = 1
			}
			value.Set(reflect.MakeSlice(of, length, length))
			for at := 0; at < length; at++ {
				random.fill(value.Index(at), depth+1)
			}
		case reflect.Map:
			length := random.Intn(3)
			if random.density >= 1 {
				length = 1
			}
			value.Set(reflect.MakeMap(of))
			for at := 0; at < length; at++ {
				element := reflect.New(of.Elem()).Elem()
				random.fill(element, depth+1)
				value.SetMapIndex(reflect.ValueOf(fmt.Sprintf("key-%d", at)).Convert(of.Key()), element)
			}
		case reflect.Struct:
			for at := 0; at < of.NumField(); at++ {
				if of.Field(at).IsExported() && random.chance(depth) {
					random.fill(value.Field(at), depth+1)
				}
			}
		default:
			panic("nothing that can be filled: " + of.String())
		}
	}
}

// gob.unset: how many types cross, and which of their fields no value that gob.random makes of these seeds has set.
func gobUnset(args struct {
	Seeds   []int64 `json:"seeds"`
	Count   int     `json:"count"`
	Density float64 `json:"density"`
}) (any, error) {
	types := map[string]string{}
	for _, root := range wireRoots {
		if root.name == "map" {
			continue
		}
		if err := describe(reflect.TypeOf(root.zero), types); err != nil {
			return nil, err
		}
	}
	// Whether a field, or a type, was set anywhere.
	fields := map[string]bool{}
	for name := range types {
		fields[name] = false
	}
	for _, seed := range args.Seeds {
		random := filler{rand.New(rand.NewSource(seed)), args.Density}
		for at := 0; at < args.Count; at++ {
			if err := visit(random.root(wireRoots[at%len(wireRoots)]), fields); err != nil {
				return nil, err
			}
		}
	}
	unset := []string{}
	for name, set := range fields {
		if !set {
			unset = append(unset, name)
		}
	}
	sort.Strings(unset)
	return map[string]any{"types": len(types), "unset": unset}, nil
}

func visit(value reflect.Value, fields map[string]bool) error {
	switch of := value.Type(); {
	case of == timeType:
	case of.Kind() == reflect.Pointer:
		if !value.IsNil() {
			return visit(value.Elem(), fields)
		}
	case of.Kind() == reflect.Slice && of.Elem().Kind() != reflect.Uint8:
		for at := 0; at < value.Len(); at++ {
			if err := visit(value.Index(at), fields); err != nil {
				return err
			}
		}
	case of.Kind() == reflect.Map:
		for _, key := range value.MapKeys() {
			if err := visit(value.MapIndex(key), fields); err != nil {
				return err
			}
		}
	case of.Kind() == reflect.Struct:
		name, err := schemaName(of)
		if err != nil {
			return err
		}
		fields[name] = true
		for at := 0; at < of.NumField(); at++ {
			field := of.Field(at)
			if !field.IsExported() {
				continue
			}
			key := name + "." + field.Name
			fields[key] = fields[key] || !value.Field(at).IsZero()
			if err := visit(value.Field(at), fields); err != nil {
				return err
			}
		}
	}
	return nil
}
