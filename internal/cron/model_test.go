package cron_test

import (
	"archive/zip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/cron"
)

// rule is an expression, and what it means in plain Go.
type rule struct {
	expression string
	names      func(wall time.Time) bool
	allHours   bool // it names all hours
	allMinutes bool // it names all minutes of an hour
}

func rules(change time.Time) []rule {
	month, day := change.Month(), change.Day()
	isAt := func(w time.Time, hour, minute int) bool { return w.Hour() == hour && w.Minute() == minute }
	return []rule{
		{"0 0 * * *", func(w time.Time) bool { return isAt(w, 0, 0) }, false, false},
		{"30 2 * * *", func(w time.Time) bool { return isAt(w, 2, 30) }, false, false},
		{"15,45 0-3,23 * * *", func(w time.Time) bool { return (w.Hour() <= 3 || w.Hour() == 23) && w.Minute()%30 == 15 }, false, false},
		{"*/20 * * * *", func(w time.Time) bool { return w.Minute()%20 == 0 }, true, false},
		{"* 1,2 * * *", func(w time.Time) bool { return w.Hour() == 1 || w.Hour() == 2 }, false, true},
		{"0 */2 * * SUN", func(w time.Time) bool { return w.Weekday() == time.Sunday && w.Hour()%2 == 0 && w.Minute() == 0 }, false, false},
		{fmt.Sprintf("5 0-2 %d %d *", day, month), func(w time.Time) bool {
			return w.Day() == day && w.Month() == month && w.Hour() <= 2 && w.Minute() == 5
		}, false, false},
	}
}

// walk goes from minute to minute of a zone's clocks, and lists what the rules name.
func walk(from, until time.Time, rules []rule) (ticks [][]time.Time) {
	ticks = make([][]time.Time, len(rules))
	wall := func(at time.Time) time.Time {
		_, offset := at.Zone()
		return at.UTC().Add(time.Duration(offset) * time.Second)
	}
	expected := wall(from) // what clocks show if nobody sets them
	latest := expected.Add(-time.Minute)
	for at := from; at.Before(until); at = at.Add(time.Minute) {
		shown := wall(at)
		for i, r := range rules {
			due := r.names(shown) && (shown.After(latest) || r.allHours || r.allMinutes)
			for skipped := expected; !r.allHours && skipped.Before(shown); skipped = skipped.Add(time.Minute) {
				due = due || r.names(skipped)
			}
			if due {
				ticks[i] = append(ticks[i], at)
			}
		}
		if shown.After(latest) {
			latest = shown
		}
		expected = shown.Add(time.Minute)
	}
	return ticks
}

// change is a moment in which the clocks of a zone are set.
type change struct {
	at            time.Time
	before, after int // seconds east of UTC
}

// changes returns the changes of a zone's clocks in the last year that had any. Before there were time zones, local times
// differed by seconds; those are left out.
func changes(zone *time.Location) (found []change) {
	for at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).In(zone); ; {
		start, _ := at.ZoneBounds()
		if start.IsZero() || len(found) > 0 && start.Year() != found[0].at.Year() {
			return found
		}
		at = start.Add(-1)
		c := change{start, offset(at), offset(start)}
		if c.before != c.after && c.before%60 == 0 && c.after%60 == 0 {
			found = append(found, c)
		}
	}
}

func offset(at time.Time) int {
	_, seconds := at.Zone()
	return seconds
}

// zones loads all zones of the time zone database that comes with Go.
func zones(t *testing.T) (found []*time.Location) {
	t.Helper()
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	require.NoError(t, err)
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if os.IsNotExist(err) {
		t.Skip("this Go has no time zone database")
	}
	require.NoError(t, err)
	defer archive.Close()
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		zone, err := time.LoadLocation(file.Name)
		require.NoError(t, err)
		found = append(found, zone)
	}
	return found
}

// The days around each change of each zone's clocks are walked minute by minute, for the last year that had any.
// Other days are like each other. Of zones that change their clocks at the same moment and by the same time, one is
// enough.
func TestEveryZoneFollowsTheClockOnTheWall(t *testing.T) {
	const days = 48 * time.Hour
	seen := make(map[string]bool)
	ticks := 0
	for _, zone := range zones(t) {
		for _, c := range changes(zone) {
			key := fmt.Sprint(c.at.Unix(), c.before, c.after)
			if seen[key] {
				continue
			}
			seen[key] = true
			rules := rules(c.at)
			from := c.at.Add(-days)
			for i, want := range walk(from, c.at.Add(days), rules) {
				s, at := parse(t, rules[i].expression), from.Add(-1)
				for _, tick := range want {
					if at = s.Next(at); !at.Equal(tick) {
						t.Fatalf("%v: %q: %v, want %v", zone, rules[i].expression, at, tick)
					}
				}
				ticks += len(want)
			}
		}
	}
	t.Logf("%d changes of clocks, %d ticks", len(seen), ticks)
}

func FuzzParse(f *testing.F) {
	for _, expression := range []string{"* * * * *", "*/5 1-3,7 L * MON", "0 0 29 2 *", "0 0 * * 5L", "15W", "@reboot", "\xff", "CRON_TZ=Europe/Rome 0 0 LW * 1#2"} {
		f.Add(expression, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, expression string, unix int64) {
		s, err := cron.Parse(expression)
		if err != nil {
			return
		}
		after := time.Unix(unix%(1<<33), 0).UTC()
		next := s.Next(after)
		if !next.IsZero() && !next.After(after) {
			t.Errorf("%q: %v comes after %v", expression, next, after)
		}
	})
}
