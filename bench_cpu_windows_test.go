package workerfx_test

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is how long the process has computed.
func cpuTime(tb testing.TB) time.Duration {
	process, err := syscall.GetCurrentProcess()
	if err != nil {
		tb.Fatal(err)
	}
	var began, ended, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(process, &began, &ended, &kernel, &user); err != nil {
		tb.Fatal(err)
	}
	return duration(kernel) + duration(user)
}

// duration converts a length of time, which Windows counts in units of 100ns.
func duration(length syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(length.HighDateTime)<<32|int64(length.LowDateTime))
}
