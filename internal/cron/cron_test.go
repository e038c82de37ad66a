package cron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/internal/cron"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t testing.TB, expression string) *cron.Schedule {
	t.Helper()
	s, err := cron.Parse(expression)
	require.NoError(t, err, expression)
	return s
}

func at(t testing.TB, zone, text string) time.Time {
	t.Helper()
	location, err := time.LoadLocation(zone)
	require.NoError(t, err)
	when, err := time.ParseInLocation(time.DateTime, text, location)
	require.NoError(t, err)
	return when
}

// next lists the following ticks as clocks show them, with their offset.
func next(s *cron.Schedule, after time.Time, n int) (ticks []string) {
	for range n {
		after = s.Next(after)
		if after.IsZero() {
			return append(ticks, "none")
		}
		ticks = append(ticks, after.Format("01-02 15:04:05 -0700"))
	}
	return ticks
}

func TestTimesOfAGapAreDueOnceAfterIt(t *testing.T) {
	for _, tt := range []struct{ zone, after, expression, want string }{
		{"America/Sao_Paulo", "2018-11-03 12:00:00", "0 0 * * *", "11-04 01:00:00 -0200, 11-05 00:00:00 -0200"},
		{"America/Sao_Paulo", "2018-11-03 12:00:00", "0 0 4 11 *", "11-04 01:00:00 -0200, 11-04 00:00:00 -0300"},
		{"America/Sao_Paulo", "2018-11-03 12:00:00", "30 0 * * SUN", "11-04 01:00:00 -0200, 11-11 00:30:00 -0200"},
		{"America/Sao_Paulo", "2018-11-03 22:30:00", "0 * * * *", "11-03 23:00:00 -0300, 11-04 01:00:00 -0200, 11-04 02:00:00 -0200"},
		{"America/Sao_Paulo", "2018-11-03 22:30:00", "0 0,1 * * *", "11-04 01:00:00 -0200, 11-05 00:00:00 -0200"},
		{"Europe/Berlin", "2026-03-28 12:00:00", "30 2 * * *", "03-29 03:00:00 +0200, 03-30 02:30:00 +0200"},
		{"Europe/Berlin", "2026-03-28 12:00:00", "*/10 2 * * *", "03-29 03:00:00 +0200, 03-30 02:00:00 +0200"},
		{"Europe/Berlin", "2026-03-28 12:00:00", "* 2 29 3 *", "03-29 03:00:00 +0200, 03-29 02:00:00 +0200"},
		{"Europe/Berlin", "2026-03-29 01:50:00", "*/20 * * * *", "03-29 03:00:00 +0200, 03-29 03:20:00 +0200"},
		{"Australia/Lord_Howe", "2026-10-04 00:00:00", "15 2 * * *", "10-04 02:30:00 +1100, 10-05 02:15:00 +1100"},
		{"Australia/Lord_Howe", "2026-10-04 00:00:00", "45 2 * * *", "10-04 02:45:00 +1100, 10-05 02:45:00 +1100"},
		{"Pacific/Apia", "2011-12-29 20:00:00", "0 12 * * *", "12-31 00:00:00 +1400, 12-31 12:00:00 +1400"},
		{"Pacific/Apia", "2011-12-29 20:00:00", "0 * 30 12 *", "12-31 00:00:00 +1400, 12-30 00:00:00 +1400"},
		{"Pacific/Apia", "2011-12-29 22:30:00", "0 * * * *", "12-29 23:00:00 -1000, 12-31 00:00:00 +1400"},
	} {
		t.Run(tt.zone+" "+tt.expression, func(t *testing.T) {
			want := strings.Split(tt.want, ", ")
			assert.Equal(t, want, next(parse(t, tt.expression), at(t, tt.zone, tt.after), len(want)))
			assert.Equal(t, want, next(parse(t, "CRON_TZ="+tt.zone+" "+tt.expression), at(t, tt.zone, tt.after), len(want)))
		})
	}
}

func TestTimesOfAFoldAreDueTheFirstTime(t *testing.T) {
	for _, tt := range []struct{ zone, after, expression, want string }{
		{"Europe/Berlin", "2026-10-25 00:00:00", "30 2 * * *", "10-25 02:30:00 +0200, 10-26 02:30:00 +0100"},
		{"Europe/Berlin", "2026-10-25 00:00:00", "0 1,2,3 * * *", "10-25 01:00:00 +0200, 10-25 02:00:00 +0200, 10-25 03:00:00 +0100"},
		{"Europe/Berlin", "2026-10-25 01:30:00", "0 * * * *", "10-25 02:00:00 +0200, 10-25 02:00:00 +0100, 10-25 03:00:00 +0100"},
		{"Europe/Berlin", "2026-10-25 01:59:30", "* 2 * * *", "10-25 02:00:00 +0200, 10-25 02:01:00 +0200"},
		{"Australia/Lord_Howe", "2026-04-05 00:00:00", "45 1 * * *", "04-05 01:45:00 +1100, 04-06 01:45:00 +1030"},
		{"Australia/Lord_Howe", "2026-04-05 01:20:00", "*/30 * * * *", "04-05 01:30:00 +1100, 04-05 01:30:00 +1030, 04-05 02:00:00 +1030"},
		{"America/Sao_Paulo", "2018-02-17 12:00:00", "30 23 * * *", "02-17 23:30:00 -0200, 02-18 23:30:00 -0300"},
	} {
		t.Run(tt.zone+" "+tt.expression, func(t *testing.T) {
			want := strings.Split(tt.want, ", ")
			assert.Equal(t, want, next(parse(t, tt.expression), at(t, tt.zone, tt.after), len(want)))
		})
	}
}

func TestALongGapIsNoEnd(t *testing.T) {
	for _, tt := range []struct{ expression, after, want string }{
		{"0 0 29 2 *", "2096-03-01", "2104-02-29"}, // 2100 is no leap year
		{"0 0 * 2 MON#5", "2072-03-01", "2112-02-29"},
		{"0 0 * 2 SUN#5", "2280-03-01", "2320-02-29"},
	} {
		after, err := time.Parse(time.DateOnly, tt.after)
		require.NoError(t, err)
		assert.Equal(t, tt.want, parse(t, tt.expression).Next(after).Format(time.DateOnly), tt.expression)
	}
}

func TestDaysCountedFromTheEndOfTheMonthAndByWeekday(t *testing.T) {
	after := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for expression, want := range map[string]string{
		"0 9 L * *":       "01-31 02-28 03-31",
		"0 9 L-3 * *":     "01-28 02-25 03-28",
		"0 9 LW * *":      "01-30 02-27 03-31",
		"0 9 15W * *":     "01-15 02-16 03-16",
		"0 9 * * 5#2":     "01-09 02-13 03-13",
		"0 9 * * 5L":      "01-30 02-27 03-27",
		"0 9 * * FRIL":    "01-30 02-27 03-27",
		"0 9 * * 1#1,5l":  "01-05 01-30 02-02",
		"0 0 9 * * 7L":    "01-25 02-22 03-29",
		"0 9 1,L * *":     "01-01 01-31 02-01",
		"0 9 * * friday":  "error",
		"0 9 * * 5L-3":    "error",
		"0 9 32W * *":     "error",
		"0 9 * * 8L":      "error",
		"0 9 * * MON#6":   "error",
		"0 9 30 2 *":      "never comes",
		"0 9 L-30 2 *":    "never comes",
		"0 9 * * ,MON":    "empty entry",
		"@every 5s":       "not a cron expression",
		"@yearly":         "01-01 01-01 01-01",
		"CRON_TZ=UTC 5L":  "error",
		"0 9 * JUL,5L L":  "error",
		"0 9 15W JUL 1L":  "07-15 07-27 07-15",
		"0 9 ? * MON-WED": "01-05 01-06 01-07",
	} {
		s, err := cron.Parse(expression)
		if err != nil {
			if want != "error" {
				assert.ErrorContains(t, err, want, expression)
			}
			continue
		}
		var got []string
		for tick := after; len(got) < 3; {
			tick = s.Next(tick)
			got = append(got, tick.Format("01-02"))
		}
		assert.Equal(t, want, strings.Join(got, " "), expression)
	}
}
