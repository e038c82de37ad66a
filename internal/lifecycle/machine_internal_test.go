package lifecycle

import (
	"math"
	"strings"
	"testing"
	"time"
)

var (
	begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	free  = Facts{PredecessorsReady: true}
)

// beginRun begins the run that is due.
func beginRun(t *testing.T, m *Machine, now time.Time) {
	t.Helper()
	if step := m.Next(now, free); step.Do != Run {
		t.Fatalf("no run begins: %+v", step)
	}
	m.Began()
}

// began returns a machine in its first run.
func began(t *testing.T, p *Policy) *Machine {
	t.Helper()
	m := New(p)
	beginRun(t, &m, begin)
	return &m
}

// failedRun returns a machine that waits a minute for its next attempt.
func failedRun(t *testing.T, p *Policy) *Machine {
	t.Helper()
	m := began(t, p)
	m.Ended(End{Outcome: Failed}, begin)
	m.AnswerBackoff(begin, time.Minute)
	return m
}

func TestEachLineOfTheTable(t *testing.T) {
	endless, ordered := &Policy{}, &Policy{ComesAfter: true}
	tests := []struct {
		line    string
		machine func() *Machine
		facts   Facts
		want    Step
	}{
		{"0: done", func() *Machine { m := began(t, endless); m.Ended(End{}, begin); return m }, free, Step{Do: Exit, Status: Success}},
		{"1: stop", func() *Machine { m := failedRun(t, endless); m.Stop(); return m }, free, Step{Do: Exit, Status: Stopped}},
		{"1: stop, before all others", func() *Machine {
			m := failedRun(t, endless)
			m.Stop()
			m.ScaleDown()
			m.Pause()
			m.Hold()
			m.Restart()
			return m
		}, free, Step{Do: Exit, Status: Stopped}},
		{"2: scaled down", func() *Machine { m := failedRun(t, endless); m.ScaleDown(); m.Pause(); return m }, free, Step{Do: Exit, Status: Paused}},
		{"3: group stopped", func() *Machine { m := failedRun(t, endless); m.StopGroup(); m.Pause(); return m }, free, Step{Do: Exit, Status: Stopped}},
		{"4: paused", func() *Machine { m := failedRun(t, endless); m.Pause(); m.Restart(); return m }, free, Step{Do: Wait, Status: Paused}},
		{"5: held", func() *Machine { m := failedRun(t, endless); m.Hold(); m.Restart(); return m }, free, Step{Do: Wait, Status: Waiting, HeldBy: Group}},
		{
			"6: its group still runs", func() *Machine { m := failedRun(t, endless); m.Restart(); return m },
			Facts{GroupRuns: true, GroupStopsIn: time.Second, PredecessorsReady: true},
			Step{Do: Sleep, Status: Waiting, HeldBy: Group, For: time.Second},
		},
		{
			"6: its group does not stop", func() *Machine { return failedRun(t, endless) },
			Facts{GroupRuns: true, PredecessorsReady: true}, Step{Do: Exit, Status: Error, StopGroup: true},
		},
		{"7: not ready", func() *Machine { m := New(ordered); m.Restart(); return &m }, Facts{}, Step{Do: Wait, Status: Pending, HeldBy: Predecessor}},
		{"8: restart", func() *Machine { m := failedRun(t, endless); m.Restart(); return m }, free, Step{Do: Run, Status: Waiting}},
		{"9: trigger", func() *Machine { m := failedRun(t, endless); m.Trigger(); return m }, free, Step{Do: Run, Status: Waiting}},
		{"10: ask", func() *Machine { m := New(&Policy{Scheduled: true}); return &m }, free, Step{Do: Ask, Status: Pending}},
		{"11: sleep", func() *Machine { return failedRun(t, endless) }, free, Step{Do: Sleep, Status: Waiting, For: time.Minute}},
		{
			"11: deferred", func() *Machine { m := New(&Policy{DeferredStart: time.Minute}); return &m }, free,
			Step{Do: Sleep, Status: Deferred, For: time.Minute, Deferred: true},
		},
		{"12: run", func() *Machine { m := New(endless); return &m }, free, Step{Do: Run, Status: Pending}},
	}
	for _, test := range tests {
		if got := test.machine().Next(begin, test.facts); got != test.want {
			t.Errorf("%s: got %+v, want %+v", test.line, got, test.want)
		}
	}
}

func TestTheEndOfARunIsTheOutcomeTable(t *testing.T) {
	tests := map[string]struct {
		outcome          Outcome
		attempts         int
		up, whenStopping Status
	}{
		"nil":                      {Succeeded, 0, Success, Success},
		"ErrDoNotRestart":          {Finished, 0, Success, Stopped},
		"ErrDoNotRestart, wrapped": {GaveUp, 0, Error, Stopped},
		"ctx.Err()":                {Obeyed, 0, Waiting, Stopped},
		"ctx.Err(), last attempt":  {Obeyed, 1, Error, Stopped},
		"stuck":                    {Stuck, 0, Waiting, Stopped},
		"stuck, one attempt":       {Stuck, 1, Waiting, Stopped},
		"stuck, last attempt":      {Stuck, 2, Waiting, Stopped},
		"error":                    {Failed, 0, Waiting, Error},
		"error, last attempt":      {Failed, 1, Error, Error},
	}
	for name, test := range tests {
		p := &Policy{MaxAttempts: test.attempts}
		if got := began(t, p).Ended(End{Outcome: test.outcome}, begin); got.Status != test.up || got.Retry != (test.up == Waiting) {
			t.Errorf("%s, pool is up: got %+v, want %v", name, got, statusName(test.up))
		}
		stopping := began(t, p)
		stopping.Stop()
		if got := stopping.Ended(End{Outcome: test.outcome}, begin); got.Status != test.whenStopping || got.Retry || !got.Asked {
			t.Errorf("%s, stopping: got %+v, want %v", name, got, statusName(test.whenStopping))
		}
	}
}

func TestAHealthyRunStartsTheCountOfFailuresAnew(t *testing.T) {
	m := began(t, &Policy{MaxAttempts: 2, HealthyAfter: time.Hour})
	m.Ended(End{Outcome: Failed, Ran: time.Minute}, begin)
	m.AnswerBackoff(begin, 0)
	beginRun(t, m, begin)
	if v := m.Ended(End{Outcome: Failed, Ran: time.Hour}, begin); !v.Retry || m.failures != 1 {
		t.Errorf("%+v with %d failures", v, m.failures)
	}
}

func TestAFailureLimitWaitsWhileItIsExceeded(t *testing.T) {
	m := New(&Policy{FailureLimit: FailureLimit{Threshold: 2, Decay: time.Minute, Pause: time.Hour}})
	now := begin
	var pauses []time.Duration
	for range 4 {
		beginRun(t, &m, now)
		m.Ended(End{Outcome: Failed}, now)
		m.AnswerBackoff(now, time.Second)
		pauses = append(pauses, m.Due().Sub(now))
		now = m.Due()
	}
	for i, want := range []time.Duration{time.Second, time.Second, time.Hour, time.Second} { // the hour's pause let the count decay
		if pauses[i] != want {
			t.Errorf("pause %d is %v, want %v", i+1, pauses[i], want)
		}
	}
}

func TestAReleaseEndsTheBackoffUnlessTheFailureStands(t *testing.T) {
	for stands, want := range map[bool]Action{true: Sleep, false: Run} {
		m := failedRun(t, &Policy{})
		m.Hold()
		m.Next(begin, free)
		m.Release(stands)
		if got := m.Next(begin, free).Do; got != want {
			t.Errorf("own failure stands: %v: action %d, want %d", stands, got, want)
		}
	}
}

func TestWhatWasAskedToEndRunsAgainAtOnceAndCountsNoFailure(t *testing.T) {
	asks := map[string]func(m *Machine){
		"restart": (*Machine).Restart,
		"hold and release": func(m *Machine) {
			m.Hold()
			m.Release(false)
		},
		"the context": func(*Machine) {},
	}
	for name, ask := range asks {
		m := began(t, &Policy{MaxAttempts: 1})
		ask(m)
		v := m.Ended(End{Outcome: Obeyed, Asked: true}, begin)
		if step := m.Next(begin, free); v.IsFailure() || m.Failures != 0 || step.Do != Run {
			t.Errorf("%s: %+v, then %+v", name, v, step)
		}
	}
}

func TestARunThatWasAskedToEndAndFailsByItselfCounts(t *testing.T) {
	m := began(t, &Policy{})
	m.Restart()
	v := m.Ended(End{Outcome: Stuck, OwnError: true, Asked: true}, begin)
	if !v.IsFailure() || m.Failures != 1 || m.Next(begin, free).Do != Run {
		t.Errorf("%+v, %+v", v, m.Counts)
	}
}

// TestClockThatIsSetDoesWhatCronDoes looks at what a schedule of five minutes is asked when the wall clock is set anew.
func TestClockThatIsSetDoesWhatCronDoes(t *testing.T) {
	at := func(clock string) time.Time {
		tick, err := time.Parse(time.DateTime, "2026-03-01 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return tick
	}
	tests := map[string]struct{ last, now, from string }{
		"as it should be":          {"12:00:00", "12:00:01", "12:00:01"},
		"set an hour forward":      {"12:00:00", "13:00:01", "13:00:01"},
		"set an hour back":         {"12:00:00", "11:00:01", "12:00:00"},
		"set back by half a day":   {"18:00:00", "06:00:01", "06:00:01"},
		"woken a little too early": {"12:00:00", "11:59:59", "12:00:00"},
	}
	for name, test := range tests {
		m := Machine{policy: &Policy{Scheduled: true, FollowsWallClock: true}, question: askSchedule, ticks: &ticks{last: at(test.last)}}
		var q Question
		m.Question(at(test.now), &q)
		if !q.From.Equal(at(test.from)) || !q.MissedSince.Equal(at(test.last)) {
			t.Errorf("%s: asked from %v, missed since %v", name, q.From, q.MissedSince)
		}
	}
}

func TestAMissedTickCountsOnceHoweverOftenTheScheduleIsAsked(t *testing.T) {
	m := New(&Policy{Scheduled: true})
	answer := func(now time.Time) {
		t.Helper()
		if m.Next(now, free).Do != Ask {
			t.Fatal("nothing to ask")
		}
		var q Question
		m.Question(now, &q)
		n := int64(q.From.Sub(q.Origin) / time.Minute) // an interval of a minute
		missed := int64(0)
		if !q.MissedSince.IsZero() {
			missed = n - int64(q.MissedSince.Sub(q.Origin)/time.Minute)
		}
		at := q.Origin.Add(time.Duration(n+1) * time.Minute)
		m.AnswerTick(&q, &Tick{At: at, Due: at, Missed: missed})
	}
	answer(begin)
	beginRun(t, &m, begin.Add(time.Minute))
	m.Pause()
	m.Ended(End{}, begin.Add(3*time.Minute+time.Second)) // the ticks at 2 and 3 were missed
	m.Next(begin.Add(3*time.Minute+time.Second), free)
	m.Resume()
	answer(begin.Add(5*time.Minute + time.Second)) // and those at 4 and 5
	m.Pause()
	m.Next(begin.Add(5*time.Minute+2*time.Second), free)
	m.Resume()
	answer(begin.Add(5*time.Minute + 3*time.Second))
	if m.MissedTicks != 4 {
		t.Errorf("%d ticks were missed, want 4", m.MissedTicks)
	}
}

func FuzzEnded(f *testing.F) {
	f.Add(uint8(Failed), 3, int64(time.Minute), int64(time.Second), int32(2), false, 5, int64(time.Second), int64(time.Second), int64(1000))
	f.Add(uint8(Failed), 0, int64(0), int64(math.MaxInt64), int32(math.MaxInt32), true, math.MaxInt, int64(1), int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, kind uint8, attempts int, healthy, ran int64, failures int32, stopping bool, threshold int, decay, pause, at int64) {
		if attempts < 0 || healthy < 0 || failures < 0 || threshold < 1 || decay <= 0 || pause <= 0 {
			return
		}
		p := &Policy{
			MaxAttempts: attempts, HealthyAfter: time.Duration(healthy),
			FailureLimit: FailureLimit{Threshold: threshold, Decay: time.Duration(decay), Pause: time.Duration(pause)},
		}
		m := Machine{policy: p, failures: failures, running: true, status: Running, plan: planRun, stopping: stopping}
		now := time.Unix(0, at)
		v := m.Ended(End{Outcome: Outcome(kind % uint8(Failed+1)), Ran: time.Duration(ran)}, now)
		switch {
		case v.Status.Done() && (v.Retry || v.Tick):
			t.Errorf("done, but not: %+v", v)
		case stopping && !v.Status.Done():
			t.Errorf("a worker that is stopping goes on: %+v", v)
		case m.failures < 0 || m.score != nil && (math.IsNaN(m.score.count) || m.score.count < 0):
			t.Errorf("out of range: %+v", m)
		case v.Retry && v.Outcome != Stuck && attempts > 0 && int(m.failures) >= attempts:
			t.Errorf("attempt %d of %d", m.failures+1, attempts)
		}
	})
}

// FuzzInputs feeds inputs in any order, longer than the exhaustive test can.
func FuzzInputs(f *testing.F) {
	f.Add(uint8(0), []byte{12, 20, 12, 0, 12})
	f.Add(uint8(5), []byte("a worker that is paused, held, released, restarted and stopped"))
	inputs := [][]input{commands(), looks(Policy{ComesAfter: true}), answers(), endings(), {pass()}}
	kinds := []string{"one attempt", "three attempts", "scheduled", "starts at once", "failure limit", "comes after", "ticks come after", "deferred ticks"}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		policy := policies[kinds[int(kind)%len(kinds)]]
		w := &world{machine: New(&policy), now: begin, arrows: make(map[string]bool)}
		for _, b := range data {
			of := inputs[int(b)%len(inputs)]
			in := of[int(b)/len(inputs)%len(of)]
			if in.name != "" {
				ok, err := in.do(w)
				if ok && err == nil {
					err = w.check()
				}
				if err != nil {
					t.Fatalf("%s: %v", in.name, err)
				}
			}
		}
	})
}

func TestAClockThatIsSetFarBackDuringAWaitAsksTheScheduleAgain(t *testing.T) {
	m := New(&Policy{Scheduled: true, FollowsWallClock: true})
	at := time.Date(2026, 3, 1, 18, 1, 0, 0, time.UTC)
	answer := func(now time.Time) {
		t.Helper()
		if step := m.Next(now, free); step.Do != Ask {
			t.Fatalf("nothing to ask: %+v", step)
		}
		var q Question
		m.Question(now, &q)
		tick := q.From.Truncate(5 * time.Minute).Add(5 * time.Minute)
		m.AnswerTick(&q, &Tick{At: tick, Due: tick})
	}
	answer(at.Add(-13 * time.Hour))
	beginRun(t, &m, at)
	m.Ended(End{}, at)
	answer(at) // the next tick is at 18:05
	m.Next(at, free)
	m.Next(at.Add(-time.Hour), free) // an hour back: the tick stays
	if m.IsAsking() || m.Due().Hour() != 18 {
		t.Errorf("due at %v", m.Due())
	}
	back := at.Add(-12 * time.Hour)
	answer(back)
	if want := time.Date(2026, 3, 1, 6, 5, 0, 0, time.UTC); !m.Due().Equal(want) {
		t.Errorf("due at %v, want %v", m.Due(), want)
	}
}

func TestABackoffDoesNotFollowTheWallClock(t *testing.T) {
	now := time.Now()
	m := New(&Policy{Scheduled: true, StartImmediately: true, FollowsWallClock: true})
	beginRun(t, &m, now)
	m.Ended(End{Outcome: Failed}, now)
	m.AnswerBackoff(now, time.Second)
	if due := m.Due(); !strings.Contains(due.String(), " m=") {
		t.Errorf("the next attempt is due by the clock on the wall: %v", due)
	}
	deferred := New(&Policy{DeferredStart: time.Minute, Scheduled: true, StartImmediately: true, FollowsWallClock: true})
	deferred.Next(now, free)
	if due := deferred.Due(); !strings.Contains(due.String(), " m=") {
		t.Errorf("the deferred start is due by the clock on the wall: %v", due)
	}
}
