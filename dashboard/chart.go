package dashboard

import (
	"fmt"
	"time"
)

// bar is a run in a chart.
type bar struct {
	X, Y, Width, Height float64
	Outcome             string
	Title               string
}

const (
	sparkBars   = 16 // runs in the chart of the list
	sparkHeight = 20
	barWidth    = 4
	barStep     = 5

	timelineWidth = 1000
	narrowest     = 3 // bar of the timeline
)

// sparkline is a small chart of how long the last runs took.
type sparkline struct {
	Bars          []bar
	Width, Height int
	Label         string // what the chart says, for those who do not see it
}

// newSparkline returns nil if there was no run.
func newSparkline(runs []runJSON, now time.Time) *sparkline {
	if len(runs) == 0 {
		return nil
	}
	runs = runs[max(0, len(runs)-sparkBars):]
	longest, failed := time.Nanosecond, 0
	for _, r := range runs {
		longest = max(longest, r.took(now))
		if r.Outcome == "failed" {
			failed++
		}
	}
	s := &sparkline{Width: sparkBars * barStep, Height: sparkHeight}
	for i, r := range runs {
		height := max(2, sparkHeight*float64(r.took(now))/float64(longest))
		s.Bars = append(s.Bars, bar{
			X: float64(i * barStep), Y: sparkHeight - height, Width: barWidth, Height: height,
			Outcome: r.Outcome, Title: r.Outcome + ", " + duration(r.took(now)),
		})
	}
	s.Label = fmt.Sprintf("last runs: %d, failed: %d, longest: %s", len(runs), failed, duration(longest))
	return s
}

// timeline shows when the last runs were.
type timeline struct {
	Bars        []bar
	From, Until time.Time
	Label       string
}

// newTimeline returns nil if there was no run.
func newTimeline(runs []runJSON, now time.Time) *timeline {
	if len(runs) == 0 {
		return nil
	}
	t := &timeline{From: runs[0].StartedAt, Until: now}
	if last := runs[len(runs)-1]; !last.FinishedAt.IsZero() {
		t.Until = last.FinishedAt
	}
	span := float64(max(t.Until.Sub(t.From), time.Millisecond))
	for _, r := range runs {
		width := max(narrowest, timelineWidth*float64(r.took(now))/span)
		x := timelineWidth * float64(r.StartedAt.Sub(t.From)) / span
		t.Bars = append(t.Bars, bar{
			X: min(x, timelineWidth-narrowest), Width: width, Outcome: r.Outcome, Title: r.Outcome + ", " + duration(r.took(now)),
		})
	}
	t.Label = fmt.Sprintf("%d runs in %s", len(runs), duration(t.Until.Sub(t.From)))
	return t
}
