package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// table is where the table at the end of a pass goes.
type table struct{ io.Writer }

// write writes the table: the sets with a line for each file, what was skipped, and the totals.
func (t table) write(s *summary) error {
	var out strings.Builder
	if len(s.sets) > 0 {
		writeSets(&out, s.sets)
	}
	if len(s.skipped) > 0 {
		writeSkipped(&out, s.skipped)
	}
	writeTotals(&out, s)
	_, err := io.WriteString(t, out.String())
	return err
}

// writeSets writes the numbers of a set beside its first file, and the other files below that.
func writeSets(out *strings.Builder, sets []*duplicates) {
	rows := [][4]string{{"WASTED", "FILES", "SIZE", "SHA-256"}}
	for _, d := range sets {
		rows = append(rows, [4]string{
			strconv.FormatInt(d.wasted(), 10), strconv.Itoa(len(d.paths)), strconv.FormatInt(d.size, 10), fmt.Sprintf("%x", d.hash[:6]),
		})
	}
	var width [4]int
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	line := func(row [4]string, path string) {
		fmt.Fprintf(out, "%*s  %*s  %*s  %-*s  %s\n", width[0], row[0], width[1], row[1], width[2], row[2], width[3], row[3], path)
	}
	line(rows[0], "PATH")
	for i, d := range sets {
		line(rows[i+1], printable(d.paths[0]))
		for _, path := range d.paths[1:] {
			line([4]string{}, printable(path))
		}
	}
	out.WriteByte('\n')
}

// writeSkipped writes what could not be looked at, and why.
func writeSkipped(out *strings.Builder, skipped []skippedFile) {
	out.WriteString("UNREADABLE\n")
	for _, f := range skipped {
		fmt.Fprintf(out, "%s: %s\n", printable(f.path), f.why)
	}
	out.WriteByte('\n')
}

// writeTotals writes the sums over the pass.
func writeTotals(out *strings.Builder, s *summary) {
	fmt.Fprintf(out, "files scanned:   %d\n", s.files)
	fmt.Fprintf(out, "files hashed:    %d\n", s.hashedFiles)
	fmt.Fprintf(out, "bytes hashed:    %s\n", bytes(s.hashedBytes))
	fmt.Fprintf(out, "duplicate sets:  %d\n", len(s.sets))
	fmt.Fprintf(out, "bytes wasted:    %s\n", bytes(s.wasted()))
	fmt.Fprintf(out, "unreadable:      %d\n", len(s.skipped))
	fmt.Fprintf(out, "time taken:      %v\n", s.took.Round(100*time.Microsecond))
}

// printable quotes a path that would garble the table: a file's name may hold a line feed.
func printable(path string) string {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(path) || strings.ContainsFunc(path, unprintable) {
		return strconv.Quote(path)
	}
	return path
}

// bytes is a number of bytes, exactly and, where that helps, with a unit.
func bytes(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	return fmt.Sprintf("%d (%s)", n, humanBytes(n))
}

// humanBytes is a number of bytes with a unit.
func humanBytes(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1024, 0
	for ; value >= 1023.95 && unit < len(units)-1; unit++ {
		value /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
