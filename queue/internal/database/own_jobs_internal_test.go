package database

import (
	"testing"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"
)

func TestAJobIsHeldFromItsFetchUntilItsEndIsWritten(t *testing.T) {
	h := &heldJobs{ids: make(map[int64]int)}
	fetch := func(ids ...int64) {
		h.fetchBegan()
		answer := &riverdriver.JobGetAvailableResult{}
		for _, id := range ids {
			answer.Jobs = append(answer.Jobs, &rivertype.JobRow{ID: id})
		}
		h.fetchEnded(answer)
	}
	require.True(t, h.isLost(1), "it was in no answer")
	fetch(1, 2)
	require.False(t, h.isLost(1))
	h.ending([]int64{1})()
	require.True(t, h.isLost(1))

	written := h.ending([]int64{2})
	fetch(2) // it runs again at once
	written()
	require.False(t, h.isLost(2), "this is the next attempt")
	require.True(t, h.isHeld(2))

	h.fetchBegan()
	require.False(t, h.isLost(3), "it may be in this answer")
	h.fetchEnded(nil)
	require.True(t, h.isLost(3))
}
