package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTrackerSeesTwoRunsOfOneReplica(t *testing.T) {
	for most, wrong := range map[int64]int64{0: 2, 1: 2, 2: 1, 3: 0} {
		synctest.Test(t, func(t *testing.T) {
			tracker := newTracker(nil)
			tracker.of("").most.Store(most)
			run := tracker.middleware(untilStopped)
			ctx, stop := context.WithCancel(t.Context())
			for range 3 {
				go run(ctx)
				synctest.Wait()
			}
			require.Equal(t, wrong, tracker.doubled.count())
			require.EqualValues(t, 3, tracker.of("").begun.Load())

			stop()
			synctest.Wait()
			go run(t.Context())
			synctest.Wait()
			require.Equal(t, wrong, tracker.doubled.count(), "ended runs do not count")
		})
	}
}

func TestTrackerSeesRunsBegunAfterTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began time.Time
		tracker := newTracker(func(string) time.Time { return began })
		run := tracker.middleware(func(context.Context) error { return nil })

		began = time.Now()
		time.Sleep(time.Second)
		run(t.Context())
		tracker.sawStop()
		run(t.Context())
		require.Zero(t, tracker.late.count(), "it was let through before the stop, by its report")

		began = time.Now().Add(time.Millisecond)
		run(t.Context())
		require.Equal(t, []string{": a run began 1ms after the stop"}, tracker.late.examples())

		tracker.closed.Store(true)
		run(t.Context())
		require.EqualValues(t, 2, tracker.late.count())
	})
}

func TestTrackerForgetsTheCountsOfWhoIsReplaced(t *testing.T) {
	tracker := newTracker(nil)
	require.Panics(t, func() { tracker.middleware(func(context.Context) error { panic("x") })(t.Context()) })
	require.EqualValues(t, 1, tracker.of("").begun.Load())
	require.Empty(t, tracker.underWay())

	tracker.startAnew("")

	require.Zero(t, tracker.of("").begun.Load())
}
