package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// faultEnv makes this process kill itself in the middle of a micro-batch, for tests: POINT:N at the N-th pass of a fault point
// (see batch.FaultPoints).
const faultEnv = "WEIR_FAULT"

// faultPoint returns what dies where the environment says, nil if it says nothing.
func faultPoint() (func(point string), error) {
	text := os.Getenv(faultEnv)
	if text == "" {
		return nil, nil
	}
	i := strings.LastIndexByte(text, ':')
	n, err := strconv.Atoi(text[i+1:])
	if i < 1 || err != nil || n < 1 {
		return nil, fmt.Errorf("%s=%q is not of the form POINT:N", faultEnv, text)
	}
	var passed atomic.Int64
	return func(point string) {
		if point == text[:i] && passed.Add(1) == int64(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal has come
		}
	}, nil
}
