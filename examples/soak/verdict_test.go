package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVerdictIsATableAndWhatWasWrong(t *testing.T) {
	var good, bad faults
	for i := range 1234 {
		bad.addf("item %d", i)
	}
	v := &verdict{title: "2 workers"}
	v.none("good", &good, " of %d", 9)
	v.unjudged("heap", "too short")
	require.False(t, v.failed())
	require.Equal(t, "\n2 workers\n\ngood  0 of 9     PASS\nheap  too short  -\n\nPASS\n", written(v))

	v.none("bad thing", &bad, "")
	v.that("stop", true, "%s", roughly(90*time.Second))
	require.True(t, v.failed())
	require.Equal(t, `
2 workers

good       0 of 9     PASS
heap       too short  -
bad thing  1,234      FAIL
stop       1m30s      PASS

bad thing: item 0
bad thing: item 1
bad thing: item 2
bad thing: item 3
bad thing: item 4

FAIL
`, written(v))
}

func TestNumbersHaveGroups(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1002003: "1,002,003", -4005: "-4,005"} {
		require.Equal(t, want, number(n))
	}
}
