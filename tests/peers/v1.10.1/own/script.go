package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/argoproj/argo-rollouts/utils/plugin/types"
)

// script is what the configuration of a call may order, whatever the plugin's name in it.
type script struct {
	// Sleep before the answer, as Go writes durations.
	Sleep string `json:"sleep"`
	// Fault of this call, see faults.go; -fault if there is none.
	Fault string `json:"fault"`
	// Error that is answered.
	Error string `json:"error"`
	// Reply that is answered, as Argo's type of the method has it in JSON; there is a default for each method.
	Reply json.RawMessage `json:"reply"`
}

// Where calls are written to.
var (
	recordTo string
	record   sync.Mutex
)

// begin does what is the same in every method: tells the call, sleeps, goes wrong.
func begin(method string, arguments map[string]any, config json.RawMessage) script {
	tell(method, arguments)
	var order script
	if len(config) > 0 {
		if err := json.Unmarshal(config, &order); err != nil {
			order.Error = fmt.Sprintf("configuration: %v", err)
			return order
		}
	}
	if order.Sleep != "" {
		pause, err := time.ParseDuration(order.Sleep)
		if err != nil {
			order.Error = err.Error()
		}
		time.Sleep(pause)
	}
	if order.Fault == "" {
		order.Fault = fault
	}
	inCall(order.Fault)
	return order
}

func tell(method string, arguments map[string]any) {
	if recordTo == "" {
		return
	}
	line, err := json.Marshal(map[string]any{"method": method, "arguments": arguments})
	if err != nil {
		panic(err)
	}
	record.Lock()
	defer record.Unlock()
	file, err := os.OpenFile(recordTo, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// replyInto fills the reply of the script in, if it has one.
func (order script) replyInto(reply any) {
	if len(order.Reply) == 0 {
		return
	}
	if err := json.Unmarshal(order.Reply, reply); err != nil {
		panic(err)
	}
}

func (order script) rpcError() types.RpcError { return types.RpcError{ErrorString: order.Error} }

// initialize is InitPlugin of every kind.
func initialize() types.RpcError {
	tell("InitPlugin", nil)
	return types.RpcError{ErrorString: inInit()}
}

// only is the configuration in a map by plugin name, which has one entry.
func only(byName map[string]json.RawMessage) json.RawMessage {
	for _, config := range byName {
		return config
	}
	return nil
}
