package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

// relay prints another line than go-plugin's own. In it UNIX stands for the socket, and TCP for a port that leads there.
func relay(template string) {
	read, write, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	stdout := os.Stdout
	// go-plugin prints its line to what this is then.
	os.Stdout = write
	go func() {
		line, err := bufio.NewReader(read).ReadString('\n')
		if err != nil {
			panic(err)
		}
		socket := strings.Split(line, "|")[3]
		if strings.Contains(template, "TCP") {
			template = strings.ReplaceAll(template, "TCP", forward(socket))
		}
		fmt.Fprint(stdout, strings.ReplaceAll(template, "UNIX", socket))
	}()
}

// forward listens on a port, and carries what comes there to the socket and back.
func forward(socket string) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				panic(err)
			}
			carry := func(to, from net.Conn) {
				_, _ = io.Copy(to, from)
				_ = to.Close()
			}
			go carry(near, far)
			go carry(far, near)
		}
	}()
	return listener.Addr().String()
}
