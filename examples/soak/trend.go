package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// point is a value at a time.
type point struct {
	at    time.Duration
	value float64
}

// trend is the straight line through points that is nearest to them.
type trend struct {
	mean  float64
	slope float64 // an hour
	doubt float64 // standard error of slope
	over  time.Duration
}

// trendOf needs three points at three times.
func trendOf(points []point) trend {
	n := float64(len(points))
	var meanAt, mean float64
	for _, p := range points {
		meanAt += p.at.Hours() / n
		mean += p.value / n
	}
	var square, product, rest float64
	for _, p := range points {
		square += (p.at.Hours() - meanAt) * (p.at.Hours() - meanAt)
		product += (p.at.Hours() - meanAt) * (p.value - mean)
	}
	slope := product / square
	for _, p := range points {
		off := p.value - mean - slope*(p.at.Hours()-meanAt)
		rest += off * off
	}
	return trend{
		mean: mean, slope: slope, doubt: math.Sqrt(rest / (n - 2) / square),
		over: points[len(points)-1].at - points[0].at,
	}
}

// growth is how much more there is at the end of the points than at their beginning, as a part of the mean.
func (t trend) growth() float64 { return t.slope * t.over.Hours() / t.mean }

// isCertain tells whether the slope is more than chance.
func (t trend) isCertain() bool { return math.Abs(t.slope) > 3*t.doubt }

// warm returns the points after the warm-up: the first quarter of the time.
func warm(points []point) []point {
	for i, p := range points {
		if p.at >= points[len(points)-1].at/4 {
			return points[i:]
		}
	}
	return nil
}

// portion is how many samples make one median.
const portion = 5

// medians returns the medians of a few points each, so that what a busy machine did to a few samples does
// not count. What is left over at the end makes a smaller portion.
func medians(points []point) (middle []point) {
	for some := range slices.Chunk(points, portion) {
		sorted := slices.SortedFunc(slices.Values(some), func(a, b point) int { return cmp.Compare(a.value, b.value) })
		middle = append(middle, point{some[len(some)/2].at, sorted[len(sorted)/2].value})
	}
	return middle
}
