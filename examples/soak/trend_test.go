package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// points returns one every five seconds for ten minutes.
func points(value func(at time.Duration) float64) (all []point) {
	for at := time.Duration(0); at <= 10*time.Minute; at += 5 * time.Second {
		all = append(all, point{at, value(at)})
	}
	return all
}

func TestTrendOfALineIsTheLine(t *testing.T) {
	got := trendOf(points(func(at time.Duration) float64 { return 50e6 + 12e6*at.Hours() }))

	require.InDelta(t, 12e6, got.slope, 1)
	require.InDelta(t, 51e6, got.mean, 1)
	require.InDelta(t, 0, got.doubt, 1)
	require.InDelta(t, 2.0/51, got.growth(), 1e-6)
	require.True(t, got.isCertain())
}

func TestTrendOfNoiseIsNotCertain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	got := trendOf(points(func(time.Duration) float64 { return 50e6 + 1e6*random.NormFloat64() }))

	require.False(t, got.isCertain())
	require.InDelta(t, 1e6/0.0486/11, got.doubt, 5e5) // noise / deviation of the times / sqrt(n)
}

func TestWarmUpIsTheFirstQuarter(t *testing.T) {
	got := warm(points(func(time.Duration) float64 { return 0 }))

	require.Equal(t, 150*time.Second, got[0].at)
	require.Equal(t, 10*time.Minute, got[len(got)-1].at)
	require.Empty(t, warm(nil))
}

func TestMediansLeaveOutWhatIsOdd(t *testing.T) {
	var in []point
	for i, value := range []float64{1, 100, 2, 3, 2, 5, 5, 90, 90, 5, 7} {
		in = append(in, point{time.Duration(i), value})
	}
	require.Equal(t, []point{{2, 2}, {7, 5}, {10, 7}}, medians(in))
	require.Empty(t, medians(nil))
}

func TestMemoryIsJudgedByCertainRelativeGrowth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	growing := func(mean, growth, noise float64) []point {
		return points(func(at time.Duration) float64 {
			return mean * (1 + growth*(at.Minutes()/10-0.5) + noise*random.NormFloat64())
		})
	}
	cases := map[string]struct {
		heap []point
		want judgement
	}{
		"flat":                       {growing(60e6, 0, 0.01), pass},
		"grows":                      {growing(60e6, 0.1, 0.01), fail},
		"grows a little":             {growing(60e6, 0.04, 0.001), pass},
		"grows, but it may be luck":  {growing(60e6, 0.06, 0.5), pass},
		"grows, but there is little": {growing(2e6, 0.2, 0.001), pass},
		"shrinks":                    {growing(60e6, -0.3, 0.01), pass},
		"too little to judge by":     {growing(60e6, 0.1, 0)[:7], none},
		"nothing to judge by":        {nil, none},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var v verdict
			judgeMemory(&v, c.heap)
			require.Equal(t, c.want, v.lines[0].says, v.lines[0].found)
		})
	}
}
