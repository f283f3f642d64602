package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fault is the way to go wrong; none if empty, or any other word.
var fault string

// The pipes themselves: go-plugin puts streams of its own into os.Stdout and os.Stderr. Kept, since an unused one is closed.
var stdout, stderr = os.NewFile(1, "raw stdout"), os.NewFile(2, "raw stderr")

// Past anything that a test waits for; a process that outlives its test ends by itself.
func forever() {
	time.Sleep(5 * time.Minute)
	os.Exit(99)
}

// beforeHandshake goes wrong before go-plugin serves, or prints another line than it would.
func beforeHandshake() {
	line := func(text string) {
		fmt.Print(text)
		forever()
	}
	switch fault {
	case "silent":
		forever()
	case "exit-first":
		fmt.Fprintln(os.Stderr, "no licence for this machine")
		os.Exit(3)
	case "panic-first":
		panic("boom before the handshake")
	case "prints-first":
		fmt.Println("starting my plugin v1.2.3")
	case "prints-half":
		fmt.Print("loading ")
	case "junk":
		line("\x00\x01\x02\xff\xfe|\x00|\x00|\x00|\x00|\n")
	case "core-version":
		line("2|1|unix|/nowhere/plugin.sock|netrpc|\n")
	case "grpc":
		line("1|1|unix|/nowhere/plugin.sock|grpc|\n")
	case "network-pipe":
		line("1|1|pipe|/nowhere/plugin.sock|netrpc|\n")
	case "no-socket":
		line("1|1|unix|" + os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/plugin.sock|netrpc|\n")
	case "bomb":
		explode(0)
	}
}

// inInit goes wrong in InitPlugin, or gives the error that it answers.
func inInit() string {
	switch fault {
	case "hang-init":
		forever()
	case "panic-init":
		panic("boom in InitPlugin")
	case "error-init":
		return "no kubeconfig here"
	}
	return ""
}

// inCall goes wrong in a method, or just before its answer.
func inCall(fault string) {
	switch fault {
	case "hang":
		forever()
	case "panic":
		panic("boom in a method")
	case "panic-goroutine":
		go panic("boom in a goroutine")
		forever()
	case "exit":
		os.Exit(3)
	case "kill":
		send(syscall.SIGKILL)
	case "stop":
		send(syscall.SIGSTOP)
	case "bad-level":
		fmt.Fprintln(stderr, `{"@level":3,"@message":"x"}`)
	case "long-line":
		write(stdout, text(70_000)+"\n")
	case "stdout-flood":
		for range 45 {
			write(stdout, text(100_000)+"\n")
		}
	case "endless-stderr":
		go func() {
			for {
				write(stderr, text(10_000))
			}
		}()
	case "memory":
		allocate(4 << 30)
	case "half-reply":
		go dieAfterWriting(1 << 20)
	case "grandchild":
		child := exec.Command("sleep", "300")
		child.Stdout, child.Stderr = stdout, stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		os.Exit(3)
	}
}

// largeReply is how many bytes the answer is to have; 0 for what it has anyway.
func largeReply(fault string) int {
	switch fault {
	case "large-reply":
		return 256 << 20
	case "half-reply":
		return 12 << 20
	}
	return 0
}

func text(size int) string { return strings.Repeat("x", size) }

func write(file *os.File, text string) {
	if _, err := file.WriteString(text); err != nil {
		panic(err)
	}
}

func send(signal syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), signal); err != nil {
		panic(err)
	}
	// Another thread may be the one that takes it.
	time.Sleep(time.Second)
}

func allocate(size int) {
	const block = 64 << 20
	var kept [][]byte
	for range size / block {
		bytes := make([]byte, block)
		for i := 0; i < block; i += os.Getpagesize() {
			bytes[i] = 1
		}
		kept = append(kept, bytes)
	}
	fmt.Fprintln(os.Stderr, "allocated", len(kept), "blocks")
}

// dieAfterWriting ends the process once it has written that much from here on: in the middle of a reply that is longer.
func dieAfterWriting(size int) {
	until := written() + size
	for written() < until {
		time.Sleep(10 * time.Microsecond)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func written() int {
	counts, err := os.ReadFile("/proc/self/io")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(counts), "wchar: ")
	count, _, _ := strings.Cut(rest, "\n")
	number, err := strconv.Atoi(count)
	if err != nil {
		panic(err)
	}
	return number
}
