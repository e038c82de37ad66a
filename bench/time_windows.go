package main

import (
	"syscall"
	"time"
)

// processTime is how long this process has computed.
func processTime() time.Duration {
	process, err := syscall.GetCurrentProcess()
	if err != nil {
		panic(err)
	}
	var began, ended, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(process, &began, &ended, &kernel, &user); err != nil {
		panic(err)
	}
	return filetime(kernel) + filetime(user)
}

// filetime converts a length of time, which Windows counts in units of 100ns.
func filetime(length syscall.Filetime) time.Duration {
	return 100 * time.Duration(int64(length.HighDateTime)<<32|int64(length.LowDateTime))
}
