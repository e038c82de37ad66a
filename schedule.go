package workerfx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/netresearch/go-cron"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/text"
)

// Schedule says when a worker runs. Next returns the first tick after a time; the zero time means that
// there is none, which ends the worker well. It is called from one goroutine for each replica.
type Schedule interface {
	Next(after time.Time) time.Time
}

// WithInterval runs the worker every d: the ticks lie d apart on a grid that begins with the worker's
// start, however long its runs take. Ticks that pass during a run are skipped and counted. The
// first run is at the first tick, unless [WithStartImmediately] is given.
func WithInterval(d time.Duration) Option {
	return func(s *settings) {
		s.schedule, s.scheduleErr = interval(d), nil
		if d <= 0 {
			s.scheduleErr = scheduleError("interval", d, errors.New("must be positive"))
		}
	}
}

// WithCron runs the worker at the times that a cron expression names. It has five fields (minute, hour,
// day, month, weekday), or six with seconds first, or is a descriptor such as @daily or @every 90s.
// The zone is the process's local one, unless the expression begins with CRON_TZ=Zone. In a night in
// which an hour is skipped its runs take place after it; in one in which an hour comes twice, runs
// at a named hour take place once.
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

// WithSchedule runs the worker when schedule says.
func WithSchedule(schedule Schedule) Option {
	return func(s *settings) {
		s.schedule, s.scheduleErr = schedule, nil
		if isNil(schedule) {
			s.scheduleErr = scheduleError("schedule", schedule, errors.New("is nil"))
		}
	}
}

// WithStartImmediately runs a worker with a schedule once at its start, before the first tick.
func WithStartImmediately() Option {
	return func(s *settings) { s.startImmediately = true }
}

// WithJitter delays each tick of a schedule by a random part of the time until the next one, at most
// that fraction of it: between 0, the default, and 1. The grid itself does not move.
func WithJitter(fraction float64) Option {
	return func(s *settings) { s.jitter = fraction }
}

// badSchedule is a schedule's field, value and error, until the worker's name is known.
type badSchedule struct {
	field string
	value any
	err   error
}

func scheduleError(field string, value any, err error) *badSchedule {
	return &badSchedule{field, value, err}
}

// cronFields is what crontab(5) knows: days of month and week, if both are given, are joined by "or".
const cronFields = cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom | cron.Descriptor

// ParseCron returns the schedule of [WithCron], for those who need one elsewhere. Times are in the zone of the
// time that Next is given, unless the expression names one.
func ParseCron(spec string) (Schedule, error) {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(spec), "@every "); ok {
		d, err := time.ParseDuration(strings.TrimSpace(rest))
		if err == nil && d <= 0 {
			err = errors.New("must be positive")
		}
		return interval(d), err
	}
	for field := range strings.FieldsSeq(spec) { // the parser takes it for a list of nothing
		if slices.Contains(strings.Split(field, ","), "") {
			return nil, fmt.Errorf("field %q has an empty entry", field)
		}
	}
	schedule, err := cron.MustNewParser(cronFields).Parse(spec)
	if err != nil {
		return nil, err
	}
	if schedule.Next(time.Now()).IsZero() {
		return nil, errors.New("never comes")
	}
	if spec, ok := schedule.(*cron.SpecSchedule); ok {
		return crontab{spec}, nil
	}
	return schedule, nil
}

// maxSkew is more than any change between summer and winter time.
const maxSkew = 3 * time.Hour

// crontab adds to the parser's schedule what cron does in the night in which an hour comes twice: what
// is due at a named time is due once, what is due every minute or hour goes on being so.
type crontab struct{ *cron.SpecSchedule }

// Next returns the first time after a time that the expression names.
func (c crontab) Next(after time.Time) time.Time {
	tick := c.SpecSchedule.Next(after)
	for !tick.IsZero() && !c.isSteady() && c.isSecondOfTwo(tick) {
		tick = c.SpecSchedule.Next(tick)
	}
	return tick
}

// isSteady tells whether the expression names every minute or every hour.
func (c crontab) isSteady() bool {
	const everyHour, everyMinute = 1<<24 - 1, 1<<60 - 1
	return c.Hour&everyHour == everyHour || c.Minute&everyMinute == everyMinute
}

// isSecondOfTwo tells whether clocks showed the same time shortly before.
func (c crontab) isSecondOfTwo(t time.Time) bool {
	t = t.In(c.zone(t))
	_, before := t.Add(-maxSkew).Zone()
	_, now := t.Zone()
	if before <= now {
		return false
	}
	_, then := t.Add(time.Duration(now-before) * time.Second).Zone()
	return then == before
}

// zone is the expression's own, else that of the time.
func (c crontab) zone(t time.Time) *time.Location {
	if c.Location == time.Local { //nolint:gosmopolitan // the parser's word for "none given"
		return t.Location()
	}
	return c.Location
}

// interval is the schedule of [WithInterval]. It does not know where its grid begins.
type interval time.Duration

// Next returns the time one interval later.
func (i interval) Next(after time.Time) time.Time { return after.Add(time.Duration(i)) }

// nextTick asks a schedule for the tick that comes next. The ticks of an interval are counted on the monotonic clock; other
// schedules follow the wall clock, also when it is set anew.
func nextTick(schedule Schedule, jitter float64, q lifecycle.Question) (tick lifecycle.Tick) {
	if d, ok := schedule.(interval); ok {
		tick.At, tick.Missed = d.onGrid(q)
	} else {
		tick.At = schedule.Next(q.From.Round(0))
		if !q.MissedSince.IsZero() {
			tick.Missed = countTicks(schedule, q.MissedSince, q.From)
		}
		if !tick.At.IsZero() && !tick.At.After(q.From) {
			tick.At = q.From.Add(time.Second) // a schedule that does not move on must not become a hot loop
		}
	}
	tick.Due = jittered(tick.At, schedule, jitter)
	return tick
}

// onGrid returns the interval's next tick, and how many were missed.
func (i interval) onGrid(q lifecycle.Question) (tick time.Time, missed int64) {
	d := time.Duration(i)
	n := int64(q.From.Sub(q.Origin) / d)
	if !q.MissedSince.IsZero() {
		missed = max(0, n-int64(q.MissedSince.Sub(q.Origin)/d))
	}
	return q.Origin.Add(time.Duration(n+1) * d), missed
}

// countTicks counts the ticks after one time up to another, up to a limit: nobody needs more.
func countTicks(schedule Schedule, after, until time.Time) (n int64) {
	const most = 1000
	for tick := schedule.Next(after.Round(0)); n < most && !tick.IsZero() && !tick.After(until) && tick.After(after); tick = schedule.Next(after) {
		n++
		after = tick
	}
	return n
}

// jittered delays a tick by chance.
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

func (s *settings) validateSchedule(worker string, errs *[]error) {
	if bad := s.scheduleErr; bad != nil {
		*errs = append(*errs, badValue(worker, bad.field, bad.value, bad.err.Error()))
	}
	if !(s.jitter >= 0 && s.jitter <= 1) {
		*errs = append(*errs, badValue(worker, "jitter", s.jitter, "must be between 0 and 1"))
	}
	if s.schedule == nil && s.scheduleErr == nil && (s.jitter != 0 || s.startImmediately) {
		*errs = append(*errs, badValue(worker, "jitter or start immediately", "", "needs a schedule: WithInterval, WithCron or WithSchedule"))
	}
}
