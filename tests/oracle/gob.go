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
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
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
		value := reflect.New(reflect.TypeOf(root.zero))
		random.fill(value.Elem(), 0)
		if root.name == "map" && value.Elem().IsNil() {
			value.Elem().Set(reflect.MakeMap(value.Elem().Type()))
		}
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

// What two values are compared without: zones, the way JSON is written; and what our types do not keep.
type normal struct {
	seconds bool
	loose   bool
	again   bool
}

func (rules normal) differ(what string, want, got any) []string {
	left, right := rules.copy(want), rules.copy(got)
	if reflect.DeepEqual(left, right) {
		return nil
	}
	var found []string
	compare(what, reflect.ValueOf(left), reflect.ValueOf(right), &found)
	if len(found) == 0 {
		found = append(found, fmt.Sprintf("%s: %#v is not %#v", what, left, right))
	}
	return found
}

// compare says where two values differ.
func compare(path string, left, right reflect.Value, found *[]string) {
	if len(*found) > 5 || reflect.DeepEqual(left.Interface(), right.Interface()) {
		return
	}
	if left.Type() != timeType {
		switch left.Kind() {
		case reflect.Pointer:
			if !left.IsNil() && !right.IsNil() {
				compare(path, left.Elem(), right.Elem(), found)
				return
			}
		case reflect.Struct:
			before := len(*found)
			for at := 0; at < left.NumField(); at++ {
				if left.Type().Field(at).IsExported() {
					compare(path+"."+left.Type().Field(at).Name, left.Field(at), right.Field(at), found)
				}
			}
			if len(*found) > before {
				return
			}
		case reflect.Slice:
			if left.Type().Elem().Kind() != reflect.Uint8 && left.Len() == right.Len() && left.Len() > 0 {
				for at := 0; at < left.Len(); at++ {
					compare(fmt.Sprintf("%s[%d]", path, at), left.Index(at), right.Index(at), found)
				}
				return
			}
		}
	}
	*found = append(*found, fmt.Sprintf("%s: Go has %s, we %s", path, show(left), show(right)))
}

func show(value reflect.Value) string {
	text := fmt.Sprintf("%+v", value.Interface())
	if value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Uint8 {
		text = string(value.Bytes())
	}
	if value.Kind() == reflect.Pointer && !value.IsNil() {
		text = fmt.Sprintf("&%+v", value.Elem().Interface())
	}
	if len(text) > 300 {
		text = text[:300] + "..."
	}
	return text
}

func (rules normal) copy(value any) any {
	into := reflect.New(reflect.TypeOf(value)).Elem()
	rules.set(into, reflect.ValueOf(value))
	return into.Interface()
}

func (rules normal) set(into, from reflect.Value) {
	switch of := from.Type(); {
	case of == timeType:
		at := from.Interface().(metav1.Time).UTC()
		if rules.seconds {
			at = at.Truncate(time.Second)
		}
		into.Set(reflect.ValueOf(metav1.NewTime(at)))
	case of == reflect.TypeOf(metav1.TypeMeta{}) && rules.loose:
	case of == reflect.TypeOf(resource.Quantity{}) && rules.again:
	case of == reflect.TypeOf(json.RawMessage{}) || of == reflect.TypeOf(metav1.FieldsV1{}.Raw):
		// A step's configuration and status of null are none to us.
		if text := canonical(from.Bytes()); !rules.loose || string(text) != "null" {
			into.SetBytes(text)
		}
	case of.Kind() == reflect.Pointer:
		if !from.IsNil() {
			into.Set(reflect.New(of.Elem()))
			rules.set(into.Elem(), from.Elem())
		} else if rules.loose && of == reflect.TypeOf(&v1alpha1.StringMatch{}) {
			into.Set(reflect.New(of.Elem()))
		}
	case of.Kind() == reflect.Slice:
		if !from.IsNil() {
			into.Set(reflect.MakeSlice(of, from.Len(), from.Len()))
		}
		for at := 0; at < from.Len(); at++ {
			rules.set(into.Index(at), from.Index(at))
		}
	case of.Kind() == reflect.Map:
		if from.IsNil() || (rules.loose && from.Len() == 0) {
			return
		}
		into.Set(reflect.MakeMap(of))
		for _, key := range from.MapKeys() {
			element := reflect.New(of.Elem()).Elem()
			rules.set(element, from.MapIndex(key))
			into.SetMapIndex(key, element)
		}
	case of.Kind() == reflect.Struct:
		for at := 0; at < of.NumField(); at++ {
			// What is not in JSON, our objects cannot hold.
			if of.Field(at).IsExported() && (of.Field(at).Tag.Get("json") != "-" || of == reflect.TypeOf(metav1.FieldsV1{})) {
				rules.set(into.Field(at), from.Field(at))
			}
		}
	default:
		into.Set(from)
	}
}

func canonical(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return text
	}
	written, _ := json.Marshal(value)
	return written
}

// Fills any of Argo's types with random content.
type filler struct {
	*rand.Rand
	density float64
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
