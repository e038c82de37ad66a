package main

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHangsAreToldOnce(t *testing.T) {
	type state = *hangs
	told := func(h state) {
		_, _ = fmt.Fprintln(h, `{"worker":"w","workerExecutionID":"1","message":"worker is stuck"}`)
	}
	ended := func(h state) { h.hung("w", "1") }
	endedOtherwise := func(h state) { h.mayHaveHung("w", "1") }
	cases := map[string]struct {
		happened []func(h state)
		wrong    string
	}{
		"told, then ended":              {[]func(state){told, ended}, ""},
		"ended, then told":              {[]func(state){ended, told}, ""},
		"told, then ended otherwise":    {[]func(state){told, endedOtherwise}, ""},
		"ended otherwise, then told":    {[]func(state){endedOtherwise, told}, ""},
		"ended otherwise and not told":  {[]func(state){endedOtherwise}, ""},
		"not told":                      {[]func(state){ended}, "w: run 1 was ended for a hang that was not told"},
		"told, and goes on":             {[]func(state){told}, "w: run 1 was told to hang, once too often or for no reason"},
		"told twice, then ended":        {[]func(state){told, told, ended}, "w: run 1 was told to hang twice"},
		"told twice, ended in between":  {[]func(state){told, ended, told}, "w: run 1 was told to hang, once too often or for no reason"},
		"told twice, ended before both": {[]func(state){ended, told, told}, "w: run 1 was told to hang, once too often or for no reason"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var h hangs
			h.watch("w")
			for _, happen := range c.happened {
				happen(&h)
			}
			h.close(time.Now())
			require.LessOrEqual(t, h.mistold.count(), int64(1))
			if c.wrong != "" {
				require.Equal(t, []string{c.wrong}, h.mistold.examples())
			}
			require.Equal(t, c.wrong == "", h.mistold.count() == 0)
		})
	}
}

func TestOtherLinesOfTheLogAreNoHangs(t *testing.T) {
	var h hangs
	h.watch("w")
	for _, line := range []string{
		`{"worker":"w","workerExecutionID":"1","message":"worker failed"}`,
		`{"worker":"another","workerExecutionID":"1","message":"worker is stuck"}`,
	} {
		_, _ = fmt.Fprintln(&h, line)
	}
	_, told := h.close(time.Now())
	require.Zero(t, told)
	require.Zero(t, h.mistold.count())

	_, _ = fmt.Fprintln(&h, `"message":"worker is stuck"`)
	require.EqualValues(t, 1, h.mistold.count(), "a line that cannot be read")
}

func TestHangIsRelievedByAnotherRun(t *testing.T) {
	for late, wrong := range map[time.Duration]int64{0: 0, slowReturn: 0, slowReturn + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			var followed, forgotten hangs
			followed.hung("w", "1")
			forgotten.hung("w", "1")
			time.Sleep(late)
			followed.begin("w")
			forgotten.close(time.Now())
			require.Equal(t, wrong, followed.unrelieved.count())
			require.Equal(t, wrong, forgotten.unrelieved.count())

			followed.begin("w")
			time.Sleep(time.Hour)
			followed.close(time.Now())
			require.Equal(t, wrong, followed.unrelieved.count(), "that is over")
		})
	}
}

func TestLoggedHangIsEndedSoon(t *testing.T) {
	for late, wrong := range map[time.Duration]int64{0: 0, slowRelief: 0, slowRelief + 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			var h hangs
			h.wasTold("w", "1")
			time.Sleep(late)
			h.mayHaveHung("w", "1")
			require.Equal(t, wrong, h.unrelieved.count())
			require.Zero(t, h.mistold.count())
		})
	}
}

func TestHangsForgetSettledRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h hangs
		for i := range 1000 {
			id := fmt.Sprint(i)
			h.hung("w", id)
			h.wasTold("w", id)
			h.mayHaveHung("w", id+"?")
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, len(h.open), int(lateTelling/time.Second)+1)
		require.Len(t, h.again, 1)
		ended, told := h.close(time.Now())
		require.EqualValues(t, 1000, ended)
		require.EqualValues(t, 1000, told)
	})
}

func TestPulseIsTheLongestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pulse
		beat := func() { p.beat(func() { time.Sleep(time.Second) }) }
		beat()
		require.Equal(t, time.Second, p.silence(), "the sign may have come at once")
		time.Sleep(2 * time.Second)
		beat()
		require.Equal(t, 4*time.Second, p.silence(), "the first may have come at once, and the second late")
		beat()
		require.Equal(t, 4*time.Second, p.silence())
		time.Sleep(5 * time.Second)
		require.Equal(t, 6*time.Second, p.silence())
	})
}
