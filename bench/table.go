package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// printResult prints all figures of a result.
func printResult(to io.Writer, r *result) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "\n%s: %s of one %s", r.name, r.figure.name, r.unit)
	if r.goal > 0 {
		fmt.Fprintf(&text, "; goal %.2f", r.goal)
	}
	fmt.Fprintf(&text, "\n  %-18s %10s %25s %12s %12s\n", "", "", "ratio (middle half)", "elapsed", "allocations")
	for i, s := range r.sides {
		ratio := r.ratio(i, r.figure.of)
		fmt.Fprintf(&text, "  %-18s %10s %9.2f (%.2f to %.2f)", s.name, r.amount(i), ratio.median, ratio.low, ratio.high)
		if r.figure.name != memory.name {
			fmt.Fprintf(&text, " %12s %12.2f", duration(r.median(i, wallTime.of)), r.median(i, allocations))
		}
		text.WriteByte('\n')
	}
	_, err := text.WriteTo(to)
	return err
}

// amount is a side's figure with its unit.
func (r *result) amount(side int) string {
	v := r.median(side, r.figure.of)
	switch r.figure.name {
	case memory.name:
		return fmt.Sprintf("%.0f B", v)
	case rate.name:
		return fmt.Sprintf("%.0f/s", v)
	}
	return duration(v)
}

// duration shows nanoseconds.
func duration(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.2f ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	}
	return fmt.Sprintf("%.1f ns", ns)
}

// The lines of a Markdown file between which the table is.
const tableBegins, tableEnds = "<!-- figures -->\n", "<!-- /figures -->\n"

// writeTable writes a table of the results into a Markdown file.
func writeTable(path string, results []*result) error {
	text, err := os.ReadFile(path) //nolint:gosec // the user names it
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), tableBegins)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		return fmt.Errorf("%s: it has no lines %q and %q", path, tableBegins, tableEnds)
	}
	written := before + tableBegins + table(results) + tableEnds + after
	return os.WriteFile(path, []byte(written), 0o600) //nolint:gosec // as above
}

// table is a Markdown table of the results.
func table(results []*result) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured on %s, on %s with %s, %s/%s.\n\n",
		time.Now().Format("2 January 2006"), machine(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	text.WriteString("| work | baseline | workerfx | goal | elapsed | allocations | others |\n")
	text.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, r := range results {
		text.WriteString(row(r))
	}
	return text.String()
}

// row is the row of one result. workerfx is side 1.
func row(r *result) string {
	goal, elapsed, allocated := "", "", ""
	if r.goal > 0 {
		goal = fmt.Sprintf("%.2f", r.goal)
	}
	if r.figure.name != memory.name {
		elapsed = fmt.Sprintf("%.2f", r.ratio(1, wallTime.of).median)
	}
	if r.figure.name == processorTime.name {
		allocated = fmt.Sprintf("%s beside %s", tenths(r.median(1, allocations)), tenths(r.median(0, allocations)))
	}
	var others []string
	for i := 2; i < len(r.sides); i++ {
		others = append(others, fmt.Sprintf("%s %.2f", r.sides[i].name, r.ratio(i, r.figure.of).median))
	}
	ratio := r.ratio(1, r.figure.of)
	return fmt.Sprintf("| %s | %s, %s | **%.2f** (%.2f to %.2f) | %s | %s | %s | %s |\n",
		r.name, r.sides[0].name, r.amount(0), ratio.median, ratio.low, ratio.high, goal, elapsed, allocated, strings.Join(others, ", "))
}

// tenths shows a number with at most one digit after the point.
func tenths(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// machine says what the processor is.
func machine() string {
	cores := fmt.Sprintf("%d cores", runtime.NumCPU())
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return cores
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return cores + " of " + strings.Trim(name, " \t:\n")
		}
	}
	return cores
}
