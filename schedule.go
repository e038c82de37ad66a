package workerfx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/workerfx/workerfx/internal/cron"
	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/text"
)

// Schedule says when a worker runs. Next returns the first tick after a time. The zero time means that there is no
// tick: it ends the worker with success. Each replica calls Next from a goroutine of its own.
type Schedule interface {
	Next(after time.Time) time.Time
}

// WithInterval runs the worker every d. Ticks are at d, 2d, 3d and so on after the worker's start, however long its runs
// take. Ticks that pass during a run are skipped and counted. The first run is at the first tick, unless
// [WithStartImmediately] is given. d must be positive.
func WithInterval(d time.Duration) Option {
	return func(s *settings) {
		s.schedule, s.scheduleErr = interval(d), nil
		if d <= 0 {
			s.scheduleErr = scheduleError("interval", d, errors.New("must be positive"))
		}
	}
}

// WithCron runs the worker at the times that a cron expression names. Its five fields are minute, hour, day, month
// and weekday; a sixth field in front is for seconds. Descriptors such as @daily and @every 90s are allowed. A day
// may be L (the last of the month), L-3 (three days before it), 15W (the working day nearest to the 15th) or LW
// (the last working day). A weekday may be 5#2 (the second Friday) or 5L (the last Friday). Working days are Monday
// to Friday. If day and weekday are both given, one of them is enough.
//
// Times are those of the process's local zone, unless the expression begins with CRON_TZ=Zone. Where clocks jump
// ahead, what is due at a skipped time runs once, when they do. Where clocks are set back, what is due at a time
// that comes twice runs the first time. An expression for all hours, or for all minutes of an hour, runs in both
// hours.
func WithCron(spec string) Option {
	return func(s *settings) {
		var err error
		if s.schedule, err = ParseCron(spec); err != nil {
			s.scheduleErr = scheduleError("cron", fmt.Sprintf("%q", text.Cut(spec, text.MaxName)), err)
			return
		}
		s.scheduleErr = nil
	}
}

// WithSchedule runs the worker at the ticks of a schedule of your own.
func WithSchedule(schedule Schedule) Option {
	return func(s *settings) {
		s.schedule, s.scheduleErr = schedule, nil
		if nilcheck.IsNil(schedule) {
			s.scheduleErr = scheduleError("schedule", schedule, errors.New("is nil"))
		}
	}
}

// WithStartImmediately adds a run of a worker with a schedule at its start, before the first tick.
func WithStartImmediately() Option {
	return func(s *settings) { s.startImmediately = true }
}

// WithJitter delays each run by a random part of the time until the next tick: by at most this fraction, from 0 to 1. The
// ticks themselves do not move. The default is 0: no jitter.
func WithJitter(fraction float64) Option {
	return func(s *settings) { s.jitter = fraction }
}

// MissedPolicy says what follows when ticks of a schedule were missed.
type MissedPolicy string

// The policies.
const (
	// MissedSkip skips them.
	MissedSkip MissedPolicy = "skip"
	// MissedRunOnce makes one run at once, for all of them.
	MissedRunOnce MissedPolicy = "runOnce"
)

// WithMissed says what follows when ticks passed during a run, during a pause, while the machine slept, or when its clock
// was set. A run makes up for all ticks before it begins. Missed ticks are counted in either case. The default is
// [MissedSkip]: the worker waits for the next tick.
func WithMissed(policy MissedPolicy) Option {
	return func(s *settings) { s.missed = policy }
}

// badSchedule is an error about a schedule, until the worker's name is known.
type badSchedule struct {
	field string
	value any
	err   error
}

func scheduleError(field string, value any, err error) *badSchedule {
	return &badSchedule{field, value, err}
}

// ParseCron returns the schedule of a cron expression: see [WithCron]. Times are in the zone of Next's argument,
// unless the expression names a zone.
func ParseCron(spec string) (Schedule, error) {
	rest, isEvery := strings.CutPrefix(strings.TrimSpace(spec), "@every ")
	if !isEvery {
		schedule, err := cron.Parse(spec)
		if err != nil {
			return nil, err
		}
		return schedule, nil
	}
	d, err := time.ParseDuration(strings.TrimSpace(rest))
	if err == nil && d <= 0 {
		err = errors.New("must be positive")
	}
	return interval(d), err
}

// interval is the schedule of [WithInterval]. It does not know when the worker started: see onGrid.
type interval time.Duration

// Next returns the time one interval later.
func (i interval) Next(after time.Time) time.Time { return after.Add(time.Duration(i)) }

// nextTick asks a schedule for the next tick. An interval counts its ticks on the monotonic clock. Other schedules follow
// the wall clock, also when it is set.
func nextTick(schedule Schedule, jitter float64, q *lifecycle.Question, tick *lifecycle.Tick) {
	if d, ok := schedule.(interval); ok {
		tick.At, tick.Missed = d.onGrid(q.Origin, q.From, q.MissedSince)
	} else {
		tick.At = schedule.Next(q.From.Round(0))
		if !q.MissedSince.IsZero() {
			tick.Missed = countTicks(schedule, q.MissedSince, q.From)
		}
		if !tick.At.IsZero() && !tick.At.After(q.From) {
			tick.At = q.From.Add(time.Second) // a broken schedule must not make a busy loop
		}
	}
	tick.Due = jittered(tick.At, schedule, jitter)
	if since := q.MakeUpSince; !since.IsZero() && tick.Missed > 0 {
		tick.MakeUp = hasTick(schedule, q, since)
	}
}

// hasTick tells whether there was a tick after a time, up to that of the question.
func hasTick(schedule Schedule, q *lifecycle.Question, since time.Time) bool {
	if d, ok := schedule.(interval); ok {
		_, missed := d.onGrid(q.Origin, q.From, since)
		return missed > 0
	}
	return countTicks(schedule, since, q.From) > 0
}

// onGrid returns the first tick of the interval after from, and how many ticks were missed since a time.
func (i interval) onGrid(origin, from, since time.Time) (tick time.Time, missed int64) {
	d := time.Duration(i)
	n := int64(from.Sub(origin) / d)
	if !since.IsZero() {
		missed = max(0, n-int64(since.Sub(origin)/d))
	}
	return origin.Add(time.Duration(n+1) * d), missed
}

// countTicks counts the ticks between two times, up to a limit.
func countTicks(schedule Schedule, after, until time.Time) (n int64) {
	const most = 1000
	for tick := schedule.Next(after.Round(0)); n < most && !tick.IsZero() && !tick.After(until) && tick.After(after); tick = schedule.Next(after) {
		n++
		after = tick
	}
	return n
}

// jittered delays a tick by a random time.
func jittered(tick time.Time, schedule Schedule, fraction float64) time.Time {
	if fraction == 0 || tick.IsZero() {
		return tick
	}
	following := schedule.Next(tick)
	if following.IsZero() || !following.After(tick) {
		return tick
	}
	return tick.Add(time.Duration(float64(following.Sub(tick)) * fraction * rand.Float64()))
}

func (s *settings) validateSchedule(add addError) {
	if bad := s.scheduleErr; bad != nil {
		add(bad.field, bad.value, bad.err.Error())
	}
	if !(s.jitter >= 0 && s.jitter <= 1) {
		add("jitter", s.jitter, "must be between 0 and 1")
	}
	if s.missed != MissedSkip && s.missed != MissedRunOnce {
		add("missed", fmt.Sprintf("%q", s.missed), fmt.Sprintf("must be %q or %q", MissedSkip, MissedRunOnce))
	}
	if s.schedule != nil || s.scheduleErr != nil {
		return
	}
	needsSchedule := func(setting, field string, value any) {
		if s.sourceOf(setting) != SourceDefaults { // a default is for the workers that have a schedule
			add(field, value, "needs a schedule: WithInterval, WithCron or WithSchedule")
		}
	}
	if s.jitter > 0 && s.jitter <= 1 {
		needsSchedule("jitter", "jitter", s.jitter)
	}
	if s.startImmediately {
		needsSchedule("startImmediately", "start immediately", true)
	}
	if s.missed == MissedRunOnce {
		needsSchedule("missed", "missed", fmt.Sprintf("%q", s.missed))
	}
}
