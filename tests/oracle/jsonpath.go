package main

import "k8s.io/client-go/util/jsonpath"

// jsonpath.find: every list of results of a path, as the web provider reads it.
func jsonpathFind(args struct {
	Path string `json:"path"`
	Data any    `json:"data"`
}) (any, error) {
	parser := jsonpath.New("metrics")
	if err := parser.Parse(args.Path); err != nil {
		return nil, err
	}
	found, err := parser.FindResults(args.Data)
	if err != nil {
		return nil, err
	}
	lists := [][]any{}
	for _, results := range found {
		values := []any{}
		for _, value := range results {
			values = append(values, value.Interface())
		}
		lists = append(lists, values)
	}
	return lists, nil
}
