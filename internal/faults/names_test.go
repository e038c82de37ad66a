package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// hostileNames are names that would do harm in a log, a metric or a URL.
var hostileNames = map[string]string{
	"nothing":          "",
	"blanks":           " \t ",
	"a megabyte":       strings.Repeat("x", 1<<20),
	"201 bytes":        strings.Repeat("x", 201),
	"a line break":     "two\nlines",
	"a return":         "over\rwritten",
	"a tab":            "a\tb",
	"NUL":              "a\x00b",
	"an ANSI escape":   "\x1b[31mred\x1b[0m",
	"a C1 control":     "a\u009bb",
	"a half rune":      "a\xc3",
	"a surrogate":      "\xed\xa0\x80",
	"quotes":           `a"b`,
	"a backslash":      `a\b`,
	"braces":           "a{b}",
	"markup":           "<script>",
	"a right-to-left":  "a\u202eb",
	"nothing to see":   "a\u200bb",
	"a line separator": "a\u2028b",
	"a replacement":    "a\ufffdb",
}

// requireReadable requires that a text may be shown anywhere.
func requireReadable(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text))
	require.LessOrEqual(t, len(text), 2000)
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\x00")
	require.NotContains(t, text, "\u202e")
}

// workersOf is a group of these workers.
type workersOf []workerfx.Worker

func (g workersOf) Workers() []workerfx.Worker { return g }

// namedBy is a worker whose name is what a function says.
type namedBy struct{ name func() string }

func (w namedBy) Name() string                  { return w.name() }
func (w namedBy) Run(ctx context.Context) error { return untilStopped(ctx) }

// namedGroup is a group with that name and these workers.
type namedGroup struct {
	workersOf

	name string
}

func (g namedGroup) Name() string { return g.name }

func TestAHostileNameIsRefusedAndShownHarmlessly(t *testing.T) {
	for what, name := range hostileNames {
		t.Run(what, func(t *testing.T) {
			pool := newPool(t)
			good := workerfx.NewWorker("good", untilStopped)
			for _, err := range []error{
				pool.Add(workerfx.NewWorker(name, untilStopped)),
				pool.Add(good, workerfx.WithName(name)),
				pool.Add(namedBy{func() string { return name }}),
				pool.AddGroup(workersOf{good}, workerfx.WithName(name)),
				pool.AddGroup(namedGroup{workersOf{good}, name}),
				pool.AddGroup(workersOf{workerfx.NewWorker(name, untilStopped)}),
			} {
				require.ErrorContains(t, err, "name")
				requireReadable(t, err.Error())
			}
			assert.Empty(t, pool.Executions())
		})
	}
}

func TestAPoolWithAHostileNameIsRefused(t *testing.T) {
	for what, name := range hostileNames {
		if name == "" { // a pool needs none
			continue
		}
		t.Run(what, func(t *testing.T) {
			_, err := workerfx.NewPool(workerfx.WithConfig(workerfx.Config{Name: name}))
			require.ErrorContains(t, err, "name")
			requireReadable(t, err.Error())
		})
	}
}

func TestAChildWithAHostileNameIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			for what, name := range hostileNames {
				err := workerfx.AddChild(ctx, workerfx.NewWorker(name, untilStopped))
				if assert.ErrorContains(t, err, "name", what) {
					requireReadable(t, err.Error())
				}
			}
			return untilStopped(ctx)
		}))
		synctest.Wait()
		assert.Len(t, pool.Executions(), 1)
		stop(t, pool)
	})
}

func TestACommandForAHostileNameIsAnError(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("good", untilStopped))
	for what, name := range hostileNames {
		t.Run(what, func(t *testing.T) {
			_, lookup := pool.Execution(name)
			for _, err := range []error{
				lookup, pool.Remove(t.Context(), name), pool.Scale(name, 1), pool.More(name), pool.Less(name),
				pool.Pause(name), pool.Resume(name), pool.Restart(name), pool.Trigger(name),
			} {
				require.ErrorIs(t, err, workerfx.ErrUnknownWorker)
				requireReadable(t, err.Error())
			}
		})
	}
	stop(t, pool)
}

func TestAConfigurationForAHostileNameIsAnErrorAndQuick(t *testing.T) {
	for what, name := range hostileNames {
		t.Run(what, func(t *testing.T) {
			pool := newPool(t, workerfx.WithConfig(workerfx.Config{Workers: map[string]workerfx.WorkerConfig{name: {}}}))
			for i := range 100 {
				add(t, pool, workerfx.NewWorker(fmt.Sprint("worker", i), untilStopped))
			}
			begin := time.Now()
			err := pool.Start(t.Context())
			require.ErrorIs(t, err, workerfx.ErrUnknownWorker)
			requireReadable(t, err.Error())
			assert.Less(t, time.Since(begin), time.Minute)
		})
	}
}

func TestANameIsAskedForOnceAndStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		pool := startPool(t, namedBy{func() string { asked++; return fmt.Sprint("name", asked) }})
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, "name1").Status)
		require.NoError(t, pool.Restart("name1"))
		require.NoError(t, pool.Scale("name1", 3))
		synctest.Wait()
		for _, e := range pool.Executions() {
			assert.Equal(t, "name1", e.Worker)
		}
		require.NoError(t, pool.Remove(t.Context(), "name1"))
		assert.Empty(t, pool.Executions())
		assert.Equal(t, 1, asked)
		stop(t, pool)
	})
}

func TestTheLongestNamesThereMayBeAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("ä", 95) // 190 bytes
		pool := newPool(t, workerfx.WithConfig(workerfx.Config{Name: long}))
		require.NoError(t, pool.AddGroup(namedGroup{workersOf{workerfx.NewWorker("0123456789", untilStopped)}, long[:188]}))
		require.ErrorContains(t, pool.AddGroup(namedGroup{workersOf{workerfx.NewWorker("0123456789ab", untilStopped)}, long[:188]}), "longer")
		start(t, pool)
		assert.Equal(t, workerfx.StatusRunning, report(t, pool, long[:188]+"/0123456789").Status)
		stop(t, pool)
	})
}
