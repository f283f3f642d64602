package main

import (
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A fork bomb: every process starts two more and stays. Eight generations are 255 processes, which a machine survives even
// if nobody stops them, and each ends by itself.
const generations = 8

const generation = "ROLLCAGE_TEST_GENERATION"

func init() {
	if now, err := strconv.Atoi(os.Getenv(generation)); err == nil {
		explode(now)
	}
}

func explode(now int) {
	for range 2 {
		if now+1 >= generations {
			break
		}
		child := exec.Command("/proc/self/exe", os.Args[1:]...)
		child.Env = append(os.Environ(), generation+"="+strconv.Itoa(now+1))
		// Refused is fine: that is what limits are for.
		_ = child.Start()
	}
	time.Sleep(time.Minute)
	os.Exit(98)
}
