package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// child is one part of the control plane: a process that can be ended, frozen and started again.
type child struct {
	name      string
	arguments []string
	folder    string

	mutex   sync.Mutex
	running *exec.Cmd
	ended   chan struct{}
}

// start runs it, with its output in NAME.log. Call it from a goroutine that is locked to its thread, and lives as long as
// the child shall: the kernel ends the child with the thread that made it.
func (c *child) start() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.running != nil {
		return fmt.Errorf("%s is running", c.name)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(self, append([]string{c.name}, c.arguments...)...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	c.running, c.ended = command, ended
	go func() {
		_ = command.Wait()
		c.mutex.Lock()
		c.running = nil
		c.mutex.Unlock()
		close(ended)
	}()
	return nil
}

// signal sends one, and for one that ends waits for the end.
func (c *child) signal(signal syscall.Signal, ends bool) error {
	c.mutex.Lock()
	running, ended := c.running, c.ended
	c.mutex.Unlock()
	if running == nil {
		return fmt.Errorf("%s is not running", c.name)
	}
	if err := running.Process.Signal(signal); err != nil {
		return err
	}
	if ends {
		<-ended
	}
	return nil
}

func (c *child) isRunning() bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.running != nil
}

func (c *child) log() string { return filepath.Join(c.folder, c.name+".log") }

// lastWords is the end of its log, for an error.
func (c *child) lastWords() string {
	text, err := os.ReadFile(c.log())
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return string(text)
}
