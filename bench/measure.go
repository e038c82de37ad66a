package main

import (
	"runtime"
	"slices"
	"time"
)

// work is something that several sides do in their own way, side by side.
type work struct {
	name string
	// unit is what one operation is, such as "worker".
	unit string
	// goal is the ratio of the first contender's figure to the baseline's that we want; 0 for none.
	goal float64
	// figure is what is compared. The default is processor time.
	figure figure
	// baseline is what all others are compared with.
	baseline side
	// contenders are workerfx, and then its peers.
	contenders []side
	// rounds is how often the work is repeated at most; 0 is as often as the flag says.
	rounds int
	// needs tells why the work cannot be done here; nil if it always can.
	needs func() error
}

// side does a piece of work in one way.
type side struct {
	name string
	// run does the work once. It calls start and stop around what is measured.
	run func(m *meter)
}

// figure picks what is compared.
type figure struct {
	name string
	of   func(s sample) float64
}

var (
	processorTime = figure{"processor time", func(s sample) float64 { return s.cpu }}
	wallTime      = figure{"time", func(s sample) float64 { return s.wall }}
	memory        = figure{"memory", func(s sample) float64 { return s.kept }}
	rate          = figure{"rate", func(s sample) float64 { return 1e9 / s.wall }}
)

func allocations(s sample) float64 { return s.allocations }

// sample is what one round of one side took, for an operation.
type sample struct {
	wall, cpu   float64 // nanoseconds
	allocations float64
	kept        float64 // bytes of heap and stacks, for works that measure that
}

// meter measures one round of one side.
type meter struct {
	operations int
	begin, end reading
	kept       float64
}

// reading is a look at the clocks and at the heap.
type reading struct {
	at      time.Time
	cpu     time.Duration
	mallocs uint64
}

func read() reading {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return reading{at: time.Now(), cpu: processTime(), mallocs: memory.Mallocs}
}

// start begins the measured part, after a collection of the garbage of others.
func (m *meter) start() {
	runtime.GC()
	m.begin = read()
}

// stop ends the measured part, in which there were this many operations.
func (m *meter) stop(operations int) {
	m.end = read()
	m.operations = operations
}

// took sets how long one operation took.
func (m *meter) took(d time.Duration) {
	m.end.at, m.operations = m.begin.at.Add(d), 1
}

func (m *meter) sample() sample {
	n := float64(m.operations)
	return sample{
		wall:        float64(m.end.at.Sub(m.begin.at)) / n,
		cpu:         float64(m.end.cpu-m.begin.cpu) / n,
		allocations: float64(m.end.mallocs-m.begin.mallocs) / n,
		kept:        m.kept / n,
	}
}

// result is a work with all samples of its sides.
type result struct {
	work

	sides   []side     // the baseline first
	samples [][]sample // of each side, one a round
}

func newResult(w work) *result {
	if w.figure.of == nil {
		w.figure = processorTime
	}
	sides := append([]side{w.baseline}, w.contenders...)
	return &result{work: w, sides: sides, samples: make([][]sample, len(sides))}
}

// round lets all sides do the work once, beginning with one of them.
func (r *result) round(first int) {
	for i := range r.sides {
		i = (i + first) % len(r.sides)
		var m meter
		r.sides[i].run(&m)
		r.samples[i] = append(r.samples[i], m.sample())
	}
}

// measure does a work round by round. In each round all sides take their turn, another one first each time, so that a
// ratio compares what ran side by side on a machine that may have other things to do. The first round only warms up.
func measure(w work, rounds int) *result {
	if w.rounds > 0 {
		rounds = min(rounds, w.rounds)
	}
	newResult(w).round(0)
	r := newResult(w)
	for i := range rounds {
		r.round(i)
	}
	return r
}

// median is the median of a side's figure.
func (r *result) median(side int, f func(sample) float64) float64 {
	return quantile(figures(r.samples[side], f), 0.5)
}

// ratio is a side's figure as a multiple of the baseline's of the same round.
func (r *result) ratio(side int, f func(sample) float64) spread {
	of, to := figures(r.samples[side], f), figures(r.samples[0], f)
	for i := range of {
		of[i] /= to[i]
	}
	return spread{low: quantile(of, 0.25), median: quantile(of, 0.5), high: quantile(of, 0.75)}
}

// spread is a median, and the range in which the middle half of the figures is.
type spread struct{ low, median, high float64 }

func figures(samples []sample, f func(sample) float64) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = f(s)
	}
	return all
}

// quantile is the value below which a part q of the figures is, interpolated.
func quantile(all []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
