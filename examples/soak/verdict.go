package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// judgement is what a line of the verdict says.
type judgement string

const (
	pass judgement = "PASS"
	fail judgement = "FAIL"
	none judgement = "-" // there was too little to judge by
)

// line is one thing that was promised, and what was found.
type line struct {
	what, found string
	says        judgement
	examples    []string // of what was wrong
}

// verdict says whether the pool kept its promises.
type verdict struct {
	title string
	lines []line
}

// failed tells whether a line says so.
func (v *verdict) failed() bool {
	for _, l := range v.lines {
		if l.says == fail {
			return true
		}
	}
	return false
}

// none adds a line about something that must not have happened.
func (v *verdict) none(what string, wrong *faults, of string, args ...any) {
	l := line{what: what, found: number(wrong.count()) + fmt.Sprintf(of, args...), says: pass, examples: wrong.examples()}
	if wrong.count() > 0 {
		l.says = fail
	}
	v.lines = append(v.lines, l)
}

// that adds a line about something that must hold.
func (v *verdict) that(what string, holds bool, found string, args ...any) {
	says := fail
	if holds {
		says = pass
	}
	v.lines = append(v.lines, line{what: what, found: fmt.Sprintf(found, args...), says: says})
}

// explain adds to the last line what was wrong, if anything was.
func (v *verdict) explain(why string) {
	if why != "" {
		last := &v.lines[len(v.lines)-1]
		last.examples = append(last.examples, why)
	}
}

// unjudged adds a line about which nothing can be said.
func (v *verdict) unjudged(what, why string) {
	v.lines = append(v.lines, line{what: what, found: why, says: none})
}

// write writes the verdict as a table, and below it what was wrong.
func (v *verdict) write(out io.Writer) {
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s\n\n", v.title)
	width, end := 0, 0
	for _, l := range v.lines {
		width, end = max(width, len(l.what)), max(end, len(l.found))
	}
	for _, l := range v.lines {
		fmt.Fprintf(&text, "%-*s  %-*s  %s\n", width, l.what, end, l.found, l.says)
	}
	text.WriteByte('\n')
	for _, l := range v.lines {
		for _, example := range l.examples {
			fmt.Fprintf(&text, "%s: %s\n", l.what, example)
		}
	}
	if v.failed() {
		fmt.Fprintf(&text, "\n%s\n", fail)
	} else {
		fmt.Fprintf(&text, "%s\n", pass)
	}
	_, _ = io.WriteString(out, text.String())
}

// number is a number with its digits in groups.
func number(n int64) string {
	if n < 0 {
		return "-" + number(-n)
	}
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", number(n/1000), n%1000)
}

// roughly is a duration for people to read.
func roughly(d time.Duration) string {
	if d > time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
