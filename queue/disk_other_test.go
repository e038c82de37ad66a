//go:build !linux

package queue_test

import "testing"

func newSmallDisk(t *testing.T) string {
	t.Helper()
	t.Skip("a small disk in memory is made on Linux only")
	return ""
}

func fillDisk(*testing.T, string) (fill, free func()) { return nil, nil }
