package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
