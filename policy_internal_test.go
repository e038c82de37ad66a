package workerfx

import (
	"math"
	"testing"
	"time"
)

func TestPolicyNextIsTheOutcomeTable(t *testing.T) {
	again := step{status: StatusWaiting, retry: true}
	done := func(s Status) step { return step{status: s, done: true} }
	tests := map[string]struct {
		outcome      outcomeKind
		maxAttempts  int
		up, stopping step
	}{
		"nil":                      {succeeded, 0, done(StatusSuccess), done(StatusSuccess)},
		"ErrDoNotRestart":          {finished, 0, done(StatusSuccess), done(StatusStopped)},
		"ErrDoNotRestart, wrapped": {gaveUp, 0, done(StatusError), done(StatusStopped)},
		"ctx.Err()":                {obeyed, 0, again, done(StatusStopped)},
		"ctx.Err(), last attempt":  {obeyed, 1, done(StatusError), done(StatusStopped)},
		"error":                    {failed, 0, again, done(StatusError)},
		"error, last attempt":      {failed, 1, done(StatusError), done(StatusError)},
	}
	for name, test := range tests {
		p := policy{maxAttempts: test.maxAttempts}
		now := time.Now()
		if got := p.next(test.outcome, 0, &history{}, false, now); got != test.up {
			t.Errorf("%s, pool is up: got %+v, want %+v", name, got, test.up)
		}
		if got := p.next(test.outcome, 0, &history{}, true, now); got != test.stopping {
			t.Errorf("%s, stopping: got %+v, want %+v", name, got, test.stopping)
		}
	}
}

func FuzzPolicyNext(f *testing.F) {
	f.Add(uint8(failed), 3, int64(time.Minute), int64(time.Second), 2, false, 5, int64(time.Second), int64(time.Second), int64(1000))
	f.Add(uint8(failed), 0, int64(0), int64(math.MaxInt64), math.MaxInt, true, math.MaxInt, int64(1), int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, kind uint8, attempts int, healthy, ran int64, failures int, stopping bool, threshold int, decay, pause, at int64) {
		p := policy{
			maxAttempts:  attempts,
			healthyAfter: time.Duration(healthy),
			failureLimit: FailureLimit{Threshold: threshold, Decay: time.Duration(decay), Pause: time.Duration(pause)},
		}
		if p.failureLimit.validate() != nil || attempts < 0 || healthy < 0 || failures < 0 {
			return
		}
		kind = kind%uint8(failed) + 1
		h := history{failures: failures}
		next := p.next(outcomeKind(kind), time.Duration(ran), &h, stopping, time.Unix(0, at))
		switch {
		case next.done && (next.retry || next.pause != 0):
			t.Errorf("done, but not: %+v", next)
		case next.done != next.status.isDone():
			t.Errorf("status and done disagree: %+v", next)
		case stopping && !next.done:
			t.Errorf("a worker that is stopping goes on: %+v", next)
		case next.pause < 0 || h.failures < 0 || math.IsNaN(h.score) || h.score < 0:
			t.Errorf("out of range: %+v, %+v", next, h)
		case next.retry && attempts > 0 && h.failures >= attempts:
			t.Errorf("attempt %d of %d", h.failures+1, attempts)
		}
	})
}
