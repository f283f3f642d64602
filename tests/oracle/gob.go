package main

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"reflect"
	"sort"
	"strings"
	"time"

	metricrpc "github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	steprpc "github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc"
	routerrpc "github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	plugintypes "github.com/argoproj/argo-rollouts/utils/plugin/types"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What crosses between Argo Rollouts and its plugins: arguments, which travel in an interface under the name that Argo
// registers, and replies, which have no name there.
type wireRoot struct {
	name     string
	argument bool
	zero     any
}

var wireRoots = []wireRoot{
	{"RunArgs", true, metricrpc.RunArgs{}},
	{"TerminateAndResumeArgs", true, metricrpc.TerminateAndResumeArgs{}},
	{"GarbageCollectArgs", true, metricrpc.GarbageCollectArgs{}},
	{"GetMetadataArgs", true, metricrpc.GetMetadataArgs{}},
	{"UpdateHashArgs", true, routerrpc.UpdateHashArgs{}},
	{"SetWeightAndVerifyWeightArgs", true, routerrpc.SetWeightAndVerifyWeightArgs{}},
	{"SetHeaderArgs", true, routerrpc.SetHeaderArgs{}},
	{"SetMirrorArgs", true, routerrpc.SetMirrorArgs{}},
	{"RemoveManagedRoutesArgs", true, routerrpc.RemoveManagedRoutesArgs{}},
	{"step.RunArgs", true, steprpc.RunArgs{}},
	{"step.TerminateArgs", true, steprpc.TerminateArgs{}},
	{"step.AbortArgs", true, steprpc.AbortArgs{}},
	{"Measurement", false, v1alpha1.Measurement{}},
	{"RpcError", false, plugintypes.RpcError{}},
	{"VerifyWeightResponse", false, routerrpc.VerifyWeightResponse{}},
	{"step.Response", false, steprpc.Response{}},
	{"map", false, map[string]string{}},
}

func rootOf(name string) (wireRoot, error) {
	for _, root := range wireRoots {
		if root.name == name {
			return root, nil
		}
	}
	return wireRoot{}, fmt.Errorf("no such type: %s", name)
}

// gob.schema: every type of the roots, in the grammar of the schema file, a line each and sorted.
func gobSchema(struct{}) (any, error) {
	lines := map[string]string{}
	for _, root := range wireRoots {
		if root.name == "map" {
			continue
		}
		if err := describe(reflect.TypeOf(root.zero), lines); err != nil {
			return nil, err
		}
	}
	sorted := make([]string, 0, len(lines))
	for _, line := range lines {
		sorted = append(sorted, line)
	}
	sort.Strings(sorted)
	return sorted, nil
}

var (
	timeType     = reflect.TypeOf(metav1.Time{})
	durationType = reflect.TypeOf(time.Duration(0))
	encoderType  = reflect.TypeOf((*gob.GobEncoder)(nil)).Elem()
	packages     = map[string]string{
		"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1":        "",
		"github.com/argoproj/argo-rollouts/metricproviders/plugin/rpc":        "metric.",
		"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc": "router.",
		"github.com/argoproj/argo-rollouts/rollout/steps/plugin/rpc":          "step.",
		"github.com/argoproj/argo-rollouts/utils/plugin/types":                "types.",
		"k8s.io/api/core/v1":                   "core.",
		"k8s.io/api/batch/v1":                  "batch.",
		"k8s.io/apimachinery/pkg/apis/meta/v1": "meta.",
		"k8s.io/apimachinery/pkg/api/resource": "resource.",
		"k8s.io/apimachinery/pkg/util/intstr":  "intstr.",
	}
)

func schemaName(of reflect.Type) (string, error) {
	prefix, known := packages[of.PkgPath()]
	if !known || of.Name() == "" {
		return "", fmt.Errorf("a type of an unknown package: %s in %q", of, of.PkgPath())
	}
	return prefix + of.Name(), nil
}

func describe(of reflect.Type, lines map[string]string) error {
	name, err := schemaName(of)
	if err != nil {
		return err
	}
	if _, done := lines[name]; done {
		return nil
	}
	lines[name] = ""
	var line strings.Builder
	line.WriteString(name + " {")
	for at := 0; at < of.NumField(); at++ {
		field := of.Field(at)
		if !field.IsExported() {
			continue
		}
		kind, err := kindOf(field.Type, lines)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, field.Name, err)
		}
		key := strings.ToLower(field.Name[:1]) + field.Name[1:]
		tag, tagged := field.Tag.Lookup("json")
		tagName, options, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-":
			key = "-"
		case tagName != "":
			key = tagName
		case strings.Contains(options, "inline") || (tagged && field.Anonymous) || (field.Anonymous && !tagged):
			key = "inline"
		}
		line.WriteString(" " + field.Name)
		if key != strings.ToLower(field.Name[:1])+field.Name[1:] {
			line.WriteString("=" + key)
		}
		line.WriteString(":" + kind)
	}
	line.WriteString(" }")
	lines[name] = line.String()
	return nil
}

func kindOf(of reflect.Type, lines map[string]string) (string, error) {
	if of == timeType {
		return "T", nil
	}
	if of == durationType {
		return "D", nil
	}
	if of.Kind() == reflect.Pointer {
		kind, err := kindOf(of.Elem(), lines)
		return "*" + kind, err
	}
	if of.Implements(encoderType) {
		return "", fmt.Errorf("%s has an encoding of its own", of)
	}
	switch of.Kind() {
	case reflect.Bool:
		return "b", nil
	case reflect.String:
		return "s", nil
	case reflect.Int:
		return "i64", nil
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "i" + of.Kind().String()[3:], nil
	case reflect.Uint:
		return "u64", nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "u" + of.Kind().String()[4:], nil
	case reflect.Float32, reflect.Float64:
		return "f", nil
	case reflect.Slice:
		if of.Elem().Kind() == reflect.Uint8 {
			return "B", nil
		}
		kind, err := kindOf(of.Elem(), lines)
		return "[]" + kind, err
	case reflect.Map:
		if of.Key().Kind() != reflect.String {
			return "", fmt.Errorf("a map with keys of %s", of.Key())
		}
		kind, err := kindOf(of.Elem(), lines)
		return "{}" + kind, err
	case reflect.Struct:
		if err := describe(of, lines); err != nil {
			return "", err
		}
		return schemaName(of)
	default:
		return "", fmt.Errorf("nothing that gob sends: %s", of)
	}
}

// gob.random: a stream of `count` random values. `density` is the chance of a field to be set.
func gobRandom(args struct {
	Seed    int64    `json:"seed"`
	Count   int      `json:"count"`
	Density float64  `json:"density"`
	Names   []string `json:"names"`
}) (any, error) {
	random := filler{rand.New(rand.NewSource(args.Seed)), args.Density}
	var stream bytes.Buffer
	encoder := gob.NewEncoder(&stream)
	names := make([]string, 0, args.Count)
	texts := make([]json.RawMessage, 0, args.Count)
	for at := 0; at < args.Count; at++ {
		root := wireRoots[at%len(wireRoots)]
		if len(args.Names) > 0 {
			var err error
			if root, err = rootOf(args.Names[at%len(args.Names)]); err != nil {
				return nil, err
			}
		}
		value := random.root(root)
		if err := encodeRoot(encoder, root, value.Elem().Interface()); err != nil {
			return nil, fmt.Errorf("%s: %w", root.name, err)
		}
		names = append(names, root.name)
		text, err := asJSON(value.Interface(), 2)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return map[string]any{"stream": stream.Bytes(), "names": names, "json": texts}, nil
}

// asJSON writes a value as JSON. What Argo wraps objects in has no JSON of its own: there, down to a depth, keys get a
// lower-case first letter as everywhere.
func asJSON(value any, wrapped int) (json.RawMessage, error) {
	of := reflect.Indirect(reflect.ValueOf(value))
	if wrapped == 0 || !of.IsValid() || of.Kind() != reflect.Struct || !strings.Contains(of.Type().PkgPath(), "/plugin/") {
		return json.Marshal(value)
	}
	keys := map[string]json.RawMessage{}
	for at := 0; at < of.NumField(); at++ {
		text, err := asJSON(of.Field(at).Interface(), wrapped-1)
		if err != nil {
			return nil, err
		}
		name := of.Type().Field(at).Name
		keys[strings.ToLower(name[:1])+name[1:]] = text
	}
	return json.Marshal(keys)
}

func encodeRoot(encoder *gob.Encoder, root wireRoot, value any) error {
	if root.argument {
		return encoder.Encode(&value)
	}
	return encoder.Encode(value)
}

func decodeRoot(decoder *gob.Decoder, root wireRoot) (any, error) {
	value := reflect.New(reflect.TypeOf(root.zero))
	if !root.argument {
		err := decoder.Decode(value.Interface())
		return value.Elem().Interface(), err
	}
	var boxed any
	if err := decoder.Decode(&boxed); err != nil {
		return nil, err
	}
	got := reflect.ValueOf(boxed)
	if !got.IsValid() {
		return nil, fmt.Errorf("nil instead of %s", root.name)
	}
	if got.Type() != reflect.PointerTo(reflect.TypeOf(root.zero)) {
		return nil, fmt.Errorf("%s instead of %s", got.Type(), root.name)
	}
	return got.Elem().Interface(), nil
}

// gob.same: where a stream of ours has other values than Go's stream, or than Go makes of the same values as JSON. `loose`
// leaves out what our objects do not keep, `again` what a value that was read from gob has lost.
// JSON of null is not compared.
func gobSame(args struct {
	Names []string          `json:"names"`
	Go    []byte            `json:"go"`
	JSON  []json.RawMessage `json:"json"`
	Ours  []byte            `json:"ours"`
	Loose bool              `json:"loose"`
	Again bool              `json:"again"`
}) (any, error) {
	theirs := gob.NewDecoder(bytes.NewReader(args.Go))
	ours := gob.NewDecoder(bytes.NewReader(args.Ours))
	var passed bytes.Buffer
	through := pipe{gob.NewEncoder(&passed), gob.NewDecoder(&passed)}
	differences := []string{}
	for at, name := range args.Names {
		root, err := rootOf(name)
		if err != nil {
			return nil, err
		}
		var want any
		if args.Go != nil {
			want, err = decodeRoot(theirs, root)
		} else {
			want, err = through.pass(root, args.JSON[at])
		}
		if err != nil {
			return nil, fmt.Errorf("value %d, Go's own %s: %w", at, name, err)
		}
		var got any
		if args.Ours != nil {
			got, err = decodeRoot(ours, root)
		} else if string(args.JSON[at]) == "null" {
			continue
		} else {
			got, err = through.pass(root, args.JSON[at])
		}
		if err != nil {
			return append(differences, fmt.Sprintf("value %d, our %s: %v", at, name, err)), nil
		}
		rules := normal{seconds: args.Loose || args.Ours == nil, loose: args.Loose, again: args.Again}
		differences = append(differences, rules.differ(fmt.Sprintf("value %d, %s", at, name), want, got)...)
		if len(differences) > 20 {
			return differences, nil
		}
	}
	if args.Ours != nil {
		if _, err := decodeRoot(ours, wireRoots[0]); err != io.EOF {
			differences = append(differences, "our stream goes on behind its last value")
		}
	}
	return differences, nil
}

// A stream whose other end is here.
type pipe struct {
	encoder *gob.Encoder
	decoder *gob.Decoder
}

// pass is what arrives of a value that a controller has read as JSON.
func (through pipe) pass(root wireRoot, text json.RawMessage) (any, error) {
	value := reflect.New(reflect.TypeOf(root.zero))
	if err := json.Unmarshal(text, value.Interface()); err != nil {
		return nil, err
	}
	if err := encodeRoot(through.encoder, root, value.Elem().Interface()); err != nil {
		return nil, err
	}
	return decodeRoot(through.decoder, root)
}

// gob.decode: how many values of these types a stream has before Go refuses it, and what it says then.
func gobDecode(args struct {
	Names  []string `json:"names"`
	Stream []byte   `json:"stream"`
}) (any, error) {
	decoder := gob.NewDecoder(bytes.NewReader(args.Stream))
	for at, name := range args.Names {
		root, err := rootOf(name)
		if err != nil {
			return nil, err
		}
		if _, err := decodeRoot(decoder, root); err != nil {
			return map[string]any{"values": at, "error": err.Error()}, nil
		}
	}
	return map[string]any{"values": len(args.Names)}, nil
}
