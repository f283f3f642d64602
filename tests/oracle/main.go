// Command oracle answers what Argo Rollouts and Go's libraries make of an input, for tests that compare Rollcage with them.
//
// It reads one JSON request a line on stdin and writes one JSON answer a line on stdout, in the same order:
//
//	{"op": "yaml.toJSON", "args": {"text": "a: yes"}}   ->   {"ok": true, "result": {"a": true}}
//	                                                        {"ok": false, "error": "..."}
//
// An operation is a function from arguments to a result in the table below.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

type request struct {
	Op   string          `json:"op"`
	Args json.RawMessage `json:"args"`
}

type answer struct {
	OK     bool            `json:"ok"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

type operation func(args json.RawMessage) (json.RawMessage, error)

// Each topic has a file of its own.
var operations = map[string]operation{
	"analysis.fromTemplates": typed(analysisFromTemplates),
	"analysis.resolve":       typed(analysisResolve),
	"analysis.rolloutArgs":   typed(analysisRolloutArgs),
	"analysis.validate":      typed(analysisValidate),
	"conditions.assess":      typed(conditionsAssess),
	"conditions.evaluate":    typed(conditionsEvaluate),
	"conditions.time":        typed(conditionsTime),
	"gob.decode":             typed(gobDecode),
	"gob.random":             typed(gobRandom),
	"gob.same":               typed(gobSame),
	"gob.schema":             typed(gobSchema),
	"gob.unset":              typed(gobUnset),
	"jsonpath.find":          typed(jsonpathFind),
	"templates.fill":         typed(templatesFill),
	"yaml.entries":           yamlEntries,
	"yaml.toJSON":            yamlToJSON,
	"yaml.toJSONStrict":      yamlToJSONStrict,
}

// typed makes an operation out of a function of Go values.
func typed[A, R any](run func(args A) (R, error)) operation {
	return func(text json.RawMessage) (json.RawMessage, error) {
		var args A
		if err := json.Unmarshal(text, &args); err != nil {
			return nil, fmt.Errorf("no arguments: %w", err)
		}
		result, err := run(args)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	}
}

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	answers := bufio.NewWriter(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			encoded, err := json.Marshal(respond(line))
			if err != nil {
				return err
			}
			if _, err := answers.Write(append(encoded, '\n')); err != nil {
				return err
			}
			// Nothing more to read now: the other side may be waiting.
			if lines.Buffered() == 0 {
				if err := answers.Flush(); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return answers.Flush()
		}
		if err != nil {
			return err
		}
	}
}

func respond(line []byte) (response answer) {
	defer func() {
		if panicked := recover(); panicked != nil {
			response = answer{Error: fmt.Sprintf("panic: %v", panicked)}
		}
	}()
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: "no request: " + err.Error()}
	}
	run, found := operations[asked.Op]
	if !found {
		return answer{Error: "no such operation: " + asked.Op}
	}
	result, err := run(asked.Args)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{OK: true, Result: result}
}
