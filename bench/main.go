// Command bench compares workerfx with bare Go and with other libraries, side by side.
//
//	go run . [-run PATTERN] [-rounds N] [-write FILE] [-cpuprofile FILE]
//
// Each work is done by all of its sides in turn, round by round, and by nothing else at the same time. A figure is that of
// one operation. A ratio is that of two sides in the same round; shown are the median of all rounds, and the range of the
// middle half of them. PostgreSQL must be installed for the works with durable jobs.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
)

func main() {
	if keepIfAsked() {
		return
	}
	pattern := flag.String("run", ".", "do only works whose name matches this regular expression")
	rounds := flag.Int("rounds", 15, "how often each work is repeated, after one round to warm up")
	file := flag.String("write", "", "write the table into this Markdown file, between <!-- figures --> and <!-- /figures -->")
	profiles := profileFlags()
	flag.Parse()
	defer profiles.start()()
	wanted, err := regexp.Compile(*pattern)
	check(err)
	var results []*result
	for _, w := range allWorks(full) {
		if !wanted.MatchString(w.name) {
			continue
		}
		if w.needs != nil {
			if err := w.needs(); err != nil {
				fmt.Printf("\n%s: left out: %v\n", w.name, err)
				continue
			}
		}
		r := measure(w, *rounds)
		results = append(results, r)
		check(printResult(os.Stdout, r))
	}
	if *file != "" {
		check(writeTable(*file, results))
	}
}

// full is the size of works when they are measured.
func full(n int) int { return n }

// allWorks returns all works. size changes how many operations they have.
func allWorks(size func(n int) int) (works []work) {
	for _, some := range []func(func(int) int) []work{supervisionWorks, restartWorks, jobWorks, observingWorks, scheduleWorks, appWorks, durableWorks} {
		works = append(works, some(size)...)
	}
	return works
}

// check ends the program if there is an error.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// must returns v, or ends the program if there is an error.
func must[T any](v T, err error) T {
	check(err)
	return v
}
