//go:build !nosqlite

package queuetest_test

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inAndOutOfBubble runs a test on the real clock, and on a bubble's.
func inAndOutOfBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run("real clock", test)
	t.Run("fake clock", func(t *testing.T) { synctest.Test(t, test) })
}
