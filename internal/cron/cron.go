// Package cron tells when a cron expression comes next, also in nights in which clocks change.
//
// The expression names times as a clock on the wall shows them. The package walks along the wall clock of the zone,
// one stretch of constant offset after the other. Where clocks jump ahead, some times do not exist: a run at such a
// time is due once, when clocks jump. Where clocks are set back, some times come twice: a run at such a time is due
// the first time. An expression for all hours, or for all minutes of an hour, ignores both: it loses no run where
// clocks jump ahead, and runs in both hours where they are set back.
//
// A library parses the expressions. The package asks it in UTC, so it sees no changes of clocks. The package does not
// read the clock, and knows nothing about workers.
package cron

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	parser "github.com/netresearch/go-cron"
)

// syntax is that of crontab(5), with optional seconds and the signs L, W and #. If an expression gives both days of the
// month and days of the week, a day matches if one of them names it.
const syntax = parser.SecondOptional | parser.Minute | parser.Hour | parser.Dom | parser.Month | parser.Dow |
	parser.DowOrDom | parser.Extended | parser.Descriptor

// farthest is the number of years in which Next looks for a time. 29 February on a given weekday has a gap of 40 years
// around 2100.
const farthest = 41

// Schedule is a cron expression. It may be used by many goroutines at once.
type Schedule struct {
	expression string               // as it was given
	wall       *parser.SpecSchedule // asked in UTC, for times of a clock on the wall
	zone       *time.Location       // of the expression; nil: the zone of the argument of Next
}

// String returns the expression.
func (s *Schedule) String() string { return s.expression }

// Parse returns the schedule of an expression. An expression that no time matches is an error.
func Parse(expression string) (*Schedule, error) {
	given := expression
	expression, err := withLastWeekdays(expression)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.MustNewParser(syntax).Parse(expression)
	if err != nil {
		return nil, err
	}
	spec, ok := parsed.(*parser.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q is not a cron expression", expression)
	}
	s := &Schedule{expression: given, wall: spec}
	if spec.Location != time.Local { //nolint:gosmopolitan // the parser's word for "none given"
		s.zone = spec.Location
	}
	spec.Location, spec.MaxSearchYears = time.UTC, farthest
	if spec.Next(time.Now().UTC()).IsZero() {
		return nil, errors.New("never comes")
	}
	return s, nil
}

// withLastWeekdays replaces 5L, the last Friday of a month, by the parser's way to write it: 5#L.
func withLastWeekdays(expression string) (string, error) {
	fields := strings.Fields(expression)
	for i, field := range fields {
		entries := strings.Split(field, ",")
		if slices.Contains(entries, "") { // the parser takes it for a list of nothing
			return "", fmt.Errorf("field %q has an empty entry", field)
		}
		if i < len(fields)-1 || i < 4 {
			continue
		}
		for j, entry := range entries {
			if day, last := strings.CutSuffix(strings.ToUpper(entry), "L"); last && day != "" && !strings.HasSuffix(day, "#") {
				entries[j] = day + "#L"
			}
		}
		fields[i] = strings.Join(entries, ",")
	}
	return strings.Join(fields, " "), nil
}

// Next returns the first time after a time that the expression names, in the zone of the given time. It returns the zero
// time if there is none within 41 years.
func (s *Schedule) Next(after time.Time) time.Time {
	zone := s.zone
	if zone == nil {
		zone = after.Location()
	}
	latest := after.AddDate(farthest, 0, 0)
	for at := after.In(zone); at.Before(latest); {
		here := stretchAt(at)
		tick := s.nextWithin(here, at)
		if !tick.IsZero() {
			return tick.In(after.Location())
		}
		if here.end.IsZero() {
			break
		}
		if next := stretchAt(here.end); s.isDueInGap(here, next) || s.isTick(next, here.end) {
			return here.end.In(after.Location())
		}
		at = here.end
	}
	return time.Time{}
}

// nextWithin returns the first tick after a time of a stretch, or zero if the stretch has no more.
func (s *Schedule) nextWithin(here stretch, after time.Time) time.Time {
	for wall := s.wall.Next(here.wall(after)); !wall.IsZero(); wall = s.wall.Next(wall) {
		tick := here.time(wall)
		switch {
		case !here.end.IsZero() && !tick.Before(here.end):
			return time.Time{}
		case s.isSteady() || !here.comesAgain(wall):
			return tick
		}
	}
	return time.Time{}
}

// isTick tells whether a time of a stretch is a tick.
func (s *Schedule) isTick(here stretch, at time.Time) bool {
	wall := here.wall(at)
	return s.wall.Next(wall.Add(-1)).Equal(wall) && (s.isSteady() || !here.comesAgain(wall))
}

// isDueInGap tells whether the gap between two stretches skips a time that the expression names. Then a run is due once.
func (s *Schedule) isDueInGap(before, next stretch) bool {
	from, until := before.wall(before.end), next.wall(before.end)
	const day = 24 * time.Hour
	if s.namesAllHours() && (s.namesAllDays() || until.Sub(from) < day) {
		return false
	}
	tick := s.wall.Next(from.Add(-1))
	return !tick.IsZero() && tick.Before(until)
}

// isSteady tells whether the expression names all hours, or all minutes of an hour.
func (s *Schedule) isSteady() bool {
	const allMinutes = 1<<60 - 1
	return s.namesAllHours() || s.wall.Minute&allMinutes == allMinutes
}

func (s *Schedule) namesAllHours() bool {
	const allHours = 1<<24 - 1
	return s.wall.Hour&allHours == allHours
}

func (s *Schedule) namesAllDays() bool {
	const allDays, allWeekdays, allMonths = 1<<32 - 2, 1<<7 - 1, 1<<13 - 2
	return s.wall.Dom&allDays == allDays && s.wall.Dow&allWeekdays == allWeekdays && s.wall.Month&allMonths == allMonths
}

// stretch is a time in which a zone's clocks are not changed.
type stretch struct {
	start, end time.Time // zero if clocks never changed before, or never change after
	offset     time.Duration
}

func stretchAt(at time.Time) stretch {
	_, seconds := at.Zone()
	start, end := at.ZoneBounds()
	return stretch{start, end, time.Duration(seconds) * time.Second}
}

// wall returns the time that a clock on the wall shows, as a time in UTC.
func (s stretch) wall(at time.Time) time.Time { return at.UTC().Add(s.offset) }

// time returns the time at which a clock on the wall shows this.
func (s stretch) time(wall time.Time) time.Time { return wall.Add(-s.offset) }

// comesAgain tells whether clocks showed the same in the stretch before.
func (s stretch) comesAgain(wall time.Time) bool {
	if s.start.IsZero() {
		return false
	}
	before := stretchAt(s.start.Add(-1))
	then := before.time(wall)
	return then.Before(s.start) && !then.Before(before.start)
}
