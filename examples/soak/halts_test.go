package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHaltsAreTakenOffTheTimeThatPassed(t *testing.T) {
	var h halts
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	h.note(at(10), at(11)) // too short
	h.note(at(20), at(30))
	h.note(at(40), at(45))
	for _, c := range []struct{ from, to, ran int }{
		{0, 15, 15}, {0, 50, 35}, {25, 50, 15}, {0, 25, 20}, {22, 28, 0}, {30, 40, 10},
	} {
		require.Equal(t, time.Duration(c.ran)*time.Second, h.ran(at(c.from), at(c.to)), "%+v", c)
	}
}

func TestProcessThatRunsIsNotHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h halts
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, h.observe(ctx), context.DeadlineExceeded)
		require.Empty(t, h.all)
	})
}

func TestHangThatOutlastsAHaltIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hangs
		h.hung("w", "1")
		h.wasTold("v", "2")
		from := time.Now()
		time.Sleep(time.Minute)
		h.halts.note(from, time.Now())
		h.begin("w")
		h.mayHaveHung("v", "2")
		require.Zero(t, h.unrelieved.count())
	})
}
