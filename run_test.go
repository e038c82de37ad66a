package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"

	"github.com/workerfx/workerfx"
)

func TestRunReturnsWhenSomebodyElseStopsThePool(t *testing.T) {
	tests := map[string]struct {
		body workerfx.RunFunc
		stop func(*workerfx.Pool)
		want time.Duration
		err  string
	}{
		"obeys":          {untilStopped, func(p *workerfx.Pool) { _ = p.Stop(context.Background()) }, 0, ""},
		"takes a minute": {slowToStop(time.Minute), func(p *workerfx.Pool) { _ = p.Stop(context.Background()) }, time.Minute, ""},
		"stopped twice": {slowToStop(time.Second), func(p *workerfx.Pool) {
			go func() { _ = p.Stop(context.Background()) }()
			_ = p.Stop(context.Background())
		}, time.Second, ""},
		"does not stop": {nil, func(p *workerfx.Pool) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			_ = p.Stop(ctx)
		}, 3 * time.Second, `1 did not stop in time: "w"`},
		"fails while it stops": {failsWhenStopped(errBoom), func(p *workerfx.Pool) { _ = p.Stop(context.Background()) }, 0, `worker "w": boom`},
	}
	for name, test := range tests {
		bubble(name, t, func(t *testing.T) {
			if test.body == nil {
				release := make(chan struct{})
				defer close(release)
				test.body = stubborn(release)
			}
			pool := newPool(t, workerfx.NewWorker("w", test.body))
			done := make(chan error, 1)
			go func() { done <- pool.Run(context.Background()) }()
			synctest.Wait()
			start := time.Now()
			go test.stop(pool)
			err := <-done
			assert.Equal(t, test.want, time.Since(start))
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
			}
		})
	}
}

func slowToStop(d time.Duration) workerfx.RunFunc {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(d)
		return ctx.Err()
	}
}

// failsWhenStopped returns a body that answers the stop with an error.
func failsWhenStopped(err error) workerfx.RunFunc {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return err
	}
}

// endings are what a worker may do when it is asked to stop, and whether that is an error of Run.
var endings = map[string]struct {
	body  workerfx.RunFunc
	fails bool
}{
	"an error":                  {failsWhenStopped(errBoom), true},
	"an error of the drain":     {func(ctx context.Context) error { <-workerfx.Draining(ctx); return errBoom }, true},
	"a panic":                   {func(ctx context.Context) error { <-ctx.Done(); panic(errBoom) }, true},
	"a batch that fails":        {failingFlush(), true},
	"its context's error":       {untilStopped, false},
	"the cause":                 {func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, false},
	"a wrapped cause":           {func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("bye: %w", ctx.Err()) }, false},
	"nil":                       {failsWhenStopped(nil), false},
	"ErrDoNotRestart":           {failsWhenStopped(workerfx.ErrDoNotRestart), false},
	"a wrapped ErrDoNotRestart": {failsWhenStopped(fmt.Errorf("%w: %w", workerfx.ErrDoNotRestart, errBoom)), false},
}

// failingFlush returns a body whose last batch fails.
func failingFlush() workerfx.RunFunc {
	return func(ctx context.Context) error {
		items := make(chan int, 1)
		items <- 1
		return workerfx.Batch(items, 10, time.Hour, func(context.Context, []int) error { return errBoom })(ctx)
	}
}

func TestRunTellsWhatFailedWhileItStopped(t *testing.T) {
	for name, ending := range endings {
		bubble(name, t, func(t *testing.T) {
			pool := newPool(t, workerfx.NewWorker("w", ending.body), workerfx.NewWorker("obeys", untilStopped))
			err := pool.Run(within(t, time.Second))
			assert.Equal(t, ending.fails, errors.Is(err, errBoom), "%v", err)
			assert.Equal(t, ending.fails, err != nil, "%v", err)
			if ending.fails {
				assert.ErrorContains(t, err, `worker "w": `)
			}
		})
	}
}

func TestRunAllTellsWhatFailedWhileItStopped(t *testing.T) {
	for name, ending := range endings {
		bubble(name, t, func(t *testing.T) {
			err := workerfx.RunAll(t.Context(), workerfx.NewWorker("w", ending.body), workerfx.NewWorker("obeys", untilStopped),
				workerfx.NewWorker("first", func(context.Context) error { time.Sleep(time.Second); return nil }))
			require.ErrorIs(t, err, workerfx.ErrExitedPrematurely)
			assert.Equal(t, ending.fails, errors.Is(err, errBoom), "%v", err)
		})
	}
}

func TestRunReturnsEveryFailureDuringStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		another := errors.New("another")
		pool := newPool(t, workerfx.NewWorker("a", failsWhenStopped(errBoom), workerfx.WithReplicas(2)),
			workerfx.NewWorker("b", failsWhenStopped(another)), workerfx.NewWorker("c", untilStopped))
		err := pool.Run(within(t, time.Second))
		require.ErrorIs(t, err, errBoom)
		require.ErrorIs(t, err, another)
		for _, want := range []string{`worker "a": boom`, `worker "a#1": boom`, `worker "b": another`} {
			require.ErrorContains(t, err, want)
		}
		assert.NotContains(t, err.Error(), `"c"`)
	})
}

func TestUnderFxAWorkerThatFailsWhileItStopsIsALineInTheLogOnly(t *testing.T) {
	var log logBuffer
	running := make(chan struct{})
	body := func(ctx context.Context) error {
		close(running)
		return failsWhenStopped(errBoom)(ctx)
	}
	app := fxtest.New(t, fx.Supply(log.logger()), workerfx.Module, fx.Provide(func() *workerfx.Config { return nil }),
		workerfx.ProvideWorker(func() workerfx.Worker { return workerfx.NewWorker("w", body) }))
	require.NoError(t, app.Start(t.Context()))
	<-running
	require.NoError(t, app.Stop(context.Background()))
	record := log.find(t, "worker failed")
	assert.Equal(t, zerolog.LevelErrorValue, record["level"])
	assert.Equal(t, "boom", record["error"])
}
