package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"

	"k8s.io/client-go/kubernetes/scheme"
)

// Newer clients write built-in kinds as protocol buffers, which every real API server reads.
const protobuf = "application/vnd.kubernetes.protobuf"

// proxy stands before an API server that only reads JSON. It prints its address, and serves until the end of standard
// input.
func proxy(target string) error {
	address, err := url.Parse(target)
	if err != nil {
		return err
	}
	forward := httputil.NewSingleHostReverseProxy(address)
	// Watches are answered bit by bit.
	forward.FlushInterval = -1
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go http.Serve(listener, http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Content-Type") == protobuf {
			if err := toJSON(request); err != nil {
				http.Error(response, err.Error(), http.StatusBadRequest)
				return
			}
		}
		forward.ServeHTTP(response, request)
	}))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func toJSON(request *http.Request) error {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return err
	}
	object, kind, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return err
	}
	object.GetObjectKind().SetGroupVersionKind(*kind)
	if body, err = json.Marshal(object); err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	request.ContentLength = int64(len(body))
	request.Header.Set("Content-Length", strconv.Itoa(len(body)))
	request.Header.Set("Content-Type", "application/json")
	return nil
}
