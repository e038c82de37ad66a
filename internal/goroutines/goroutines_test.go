package goroutines_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/goroutines"
)

const label = "testRun"

//go:noinline
func hang(until <-chan struct{}) { <-until }

//go:noinline
func hangElsewhere(until <-chan struct{}) { <-until }

// start starts a goroutine with labels, and returns once it runs. It ends with the test.
func start(t *testing.T, fn func(until <-chan struct{}), labels ...string) {
	t.Helper()
	until, started := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		pprof.Do(context.Background(), pprof.Labels(labels...), func(context.Context) {
			close(started)
			fn(until)
		})
	})
	<-started
	t.Cleanup(func() { close(until); wg.Wait() })
}

func TestStackIsThatOfTheGoroutineWithTheLabel(t *testing.T) {
	odd := "a \"b\": {c}\n\tä"
	start(t, hang, label, "one")
	start(t, hangElsewhere, "another", "x", label, "two", "zz", "y")
	start(t, hang, label, odd)
	start(t, hang, "another", "four")
	stacks := func() (one, two, third, fourth string) {
		p := goroutines.Take(label, anyStack)
		return p.Stack("one"), p.Stack("two"), p.Stack(odd), p.Stack("four")
	}
	require.Eventually(t, func() bool {
		one, two, third, _ := stacks()
		return strings.Contains(one, ".hang+") && strings.Contains(two, ".hangElsewhere+") && strings.Contains(third, ".hang+")
	}, waitAtMost, pollEvery)
	one, _, _, fourth := stacks()
	assert.Regexp(t, `(?m)^github\.com/workerfx/workerfx/internal/goroutines_test\.hang\+0x\S+\n\t\S+/goroutines_test\.go:\d+$`, one)
	assert.Empty(t, fourth, "another label has the value")
}

func anyStack(string) int { return 0 }

// with prefers stacks with a function.
func with(function string) func(stack string) int {
	return func(stack string) int { return strings.Count(stack, function) }
}

func TestTakePrefersTheGoroutineThatRanksHighest(t *testing.T) {
	for range 3 {
		start(t, hang, label, "same")
	}
	start(t, hangElsewhere, label, "same")
	for range 3 {
		start(t, func(until <-chan struct{}) { hang(until) }, label, "same")
	}
	require.Eventually(t, func() bool {
		return strings.Contains(goroutines.Take(label, with("goroutines_test.hangElsewhere")).Stack("same"), "hangElsewhere")
	}, waitAtMost, pollEvery)
	require.Eventually(t, func() bool {
		return strings.Contains(goroutines.Take(label, with("goroutines_test.hang+")).Stack("same"), ".hang+")
	}, waitAtMost, pollEvery)
}

func TestStackOfAnUnknownValueIsEmpty(t *testing.T) {
	assert.Empty(t, goroutines.Take(label, anyStack).Stack("unknown"))
	assert.Empty(t, goroutines.Profile(nil).Stack("unknown"))
}

// entry is what Go's goroutine profile says about a goroutine that hangs in a function.
func entry(function string) string {
	return "1 @ 0x1\n# labels: {\"id\":\"x\"}\n#\t0x1\t" + function + "+0x1\t/src/x.go:7\n"
}

func TestSharedTakesOneProfileForAllThatWait(t *testing.T) {
	const callers = 100
	var taken atomic.Int32
	begun, proceed := make(chan struct{}, callers), make(chan struct{})
	shared := goroutines.NewShared(func() goroutines.Profile {
		taken.Add(1)
		begun <- struct{}{}
		<-proceed
		return goroutines.Profile{"x": entry("pkg.f")}
	})
	var wg sync.WaitGroup
	ask := func() { assert.Equal(t, "pkg.f+0x1\n\t/src/x.go:7\n", shared.Stack("x")) }
	wg.Go(ask)
	<-begun // the first profile may not show what later callers ask for
	for range callers {
		wg.Go(ask)
	}
	require.Eventually(t, func() bool { return waitingForTheLock() == callers }, waitAtMost, pollEvery)
	close(proceed)
	wg.Wait()
	assert.Equal(t, int32(2), taken.Load())
}

// waitingForTheLock counts the goroutines that wait for a mutex in Stack.
func waitingForTheLock() (count int) {
	var dump strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&dump, 2)
	for stack := range strings.SplitSeq(dump.String(), "\n\n") {
		if strings.Contains(stack, "[sync.Mutex.Lock") && strings.Contains(stack, "(*Shared).Stack") {
			count++
		}
	}
	return count
}

func TestSharedTakesANewProfileForEachCallThatComesLater(t *testing.T) {
	functions := []string{"pkg.f", "pkg.g"}
	shared := goroutines.NewShared(func() goroutines.Profile {
		p := goroutines.Profile{"x": entry(functions[0])}
		functions = functions[1:]
		return p
	})
	assert.Contains(t, shared.Stack("x"), "pkg.f")
	assert.Contains(t, shared.Stack("x"), "pkg.g")
	assert.Empty(t, functions)
}

const (
	waitAtMost = 10 * time.Second
	pollEvery  = time.Millisecond
)
