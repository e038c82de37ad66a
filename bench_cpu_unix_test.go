//go:build unix

package workerfx_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is how long the process has computed.
func cpuTime(tb testing.TB) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
