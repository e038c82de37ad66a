package fxtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // texts and schedules are in local time
	goleak.VerifyTestMain(m)
}

var errBoom = errors.New("boom")

// untilStopped is the body of a worker that does nothing and obeys.
func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// inAndOutOfBubble runs a test on the real clock, and on a bubble's.
func inAndOutOfBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Run("real clock", test)
	t.Run("fake clock", func(t *testing.T) { synctest.Test(t, test) })
}

// fakeTB is a test that may fail without failing the one it is part of.
type fakeTB struct {
	errors, logs strings.Builder
	cleanups     []func()
}

type failedNow struct{}

func (*fakeTB) Helper() {}
func (f *fakeTB) Logf(format string, args ...any) {
	fmt.Fprintf(&f.logs, format+"\n", args...)
}
func (f *fakeTB) Errorf(format string, args ...any) {
	fmt.Fprintf(&f.errors, format+"\n", args...)
}
func (*fakeTB) FailNow() { panic(failedNow{}) }
func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	f.FailNow()
}
func (f *fakeTB) Failed() bool      { return f.errors.Len() > 0 }
func (f *fakeTB) logged() string    { return f.logs.String() }
func (f *fakeTB) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

// run makes test this test's body, and returns how it failed.
func (f *fakeTB) run(test func()) string {
	f.untilFailure(test)
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
	return f.errors.String()
}

func (*fakeTB) untilFailure(test func()) {
	defer func() {
		if r := recover(); r != nil && r != (failedNow{}) {
			panic(r)
		}
	}()
	test()
}
