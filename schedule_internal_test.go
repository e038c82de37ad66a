package workerfx

import (
	"testing"
	"time"
)

// TestClockThatIsSetDoesWhatCronDoes looks at what a schedule of five minutes does when the wall clock is
// set anew. A bubble's clock cannot be, so the ticker is asked itself.
func TestClockThatIsSetDoesWhatCronDoes(t *testing.T) {
	schedule, err := ParseCron("CRON_TZ=UTC */5 * * * *")
	if err != nil {
		t.Fatal(err)
	}
	at := func(clock string) time.Time {
		tick, err := time.Parse(time.DateTime, "2026-03-01 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return tick
	}
	tests := map[string]struct {
		last, now, want string
		missed          int64
	}{
		"as it should be":          {"12:00:00", "12:00:01", "12:05:00", 0},
		"set an hour forward":      {"12:00:00", "13:00:01", "13:05:00", 12},
		"set an hour back":         {"12:00:00", "11:00:01", "12:05:00", 0},
		"set back by half a day":   {"18:00:00", "06:00:01", "06:05:00", 0},
		"a run of a quarter":       {"12:00:00", "12:16:00", "12:20:00", 3},
		"woken a little too early": {"12:00:00", "11:59:59", "12:05:00", 0},
	}
	for name, test := range tests {
		ticker := ticker{last: at(test.last)}
		tick, missed := ticker.next(schedule, at(test.now))
		if !tick.Equal(at(test.want)) || missed != test.missed {
			t.Errorf("%s: next is %v with %d missed, want %s with %d", name, tick, missed, test.want, test.missed)
		}
	}
}
