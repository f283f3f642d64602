package main

import (
	"encoding/json"

	"sigs.k8s.io/yaml"
)

type yamlArgs struct {
	Text string `json:"text"`
}

// yamlToJSON is what kubectl does with a manifest.
func yamlToJSON(args json.RawMessage) (json.RawMessage, error) {
	var in yamlArgs
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	return yaml.YAMLToJSON([]byte(in.Text))
}

// yamlToJSONStrict refuses duplicate keys.
func yamlToJSONStrict(args json.RawMessage) (json.RawMessage, error) {
	var in yamlArgs
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	return yaml.YAMLToJSONStrict([]byte(in.Text))
}

// entry has the fields and types of Argo Rollouts' plugin entry.
type entry struct {
	Name        string        `json:"name"`
	Location    string        `json:"location"`
	Sha256      string        `json:"sha256,omitempty"`
	Disabled    bool          `json:"disabled,omitempty"`
	Args        []string      `json:"args,omitempty"`
	HeadersFrom []headersFrom `json:"headersFrom,omitempty"`
}

type headersFrom struct {
	SecretRef secretRef `json:"secretRef"`
}

type secretRef struct {
	Name string `json:"name"`
}

// yamlEntries reads a ConfigMap's text into entries, as the controller does when it starts.
func yamlEntries(args json.RawMessage) (json.RawMessage, error) {
	var in yamlArgs
	if err := json.Unmarshal(args, &in); err != nil {
		return nil, err
	}
	var entries []entry
	if err := yaml.Unmarshal([]byte(in.Text), &entries); err != nil {
		return nil, err
	}
	return json.Marshal(entries)
}
