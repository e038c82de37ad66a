//go:build !linux

package queue_test

import "errors"

const processEnv = "WORKERFX_TEST_PROCESS"

func runProcess(string) error { return errors.New("the tests start processes on Linux only") }
