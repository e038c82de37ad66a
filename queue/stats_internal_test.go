package queue

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// counter counts how often the database is asked, and answers after a time.
type counter struct {
	asked  int
	took   time.Duration
	err    error
	counts []database.Count
}

func (c *counter) count(ctx context.Context) ([]database.Count, error) {
	c.asked++
	select {
	case <-time.After(c.took):
		return c.counts, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newCache(c *counter) *statsCache {
	return &statsCache{count: c.count, known: make(map[string]bool)}
}

func TestManyScrapesAskTheDatabaseOnceInFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counter{counts: []database.Count{{Queue: "mail", State: "available", Jobs: 3, Oldest: 7}}}
		cache := newCache(db)
		for range 100 {
			require.Equal(t, 3, cache.get(t.Context()).queues["mail"].jobs[StateAvailable])
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, 2, db.asked)
	})
}

func TestASlowCountTakesASmallPartOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counter{took: 2 * time.Second, counts: []database.Count{{Queue: "mail", State: "available", Jobs: 3}}}
		cache := newCache(db)
		for range 1000 {
			require.NotEmpty(t, cache.get(t.Context()).queues, "the numbers are those of the last count")
			time.Sleep(time.Second)
		}
		require.Equal(t, 10, db.asked)
	})
}

func TestASecondScrapeDoesNotWaitForACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counter{took: 3 * time.Second}
		cache := newCache(db)
		var first sync.WaitGroup
		first.Go(func() { cache.get(t.Context()) })
		synctest.Wait()
		begun := time.Now()
		require.Empty(t, cache.get(t.Context()).queues)
		require.Zero(t, time.Since(begun))
		first.Wait()
		require.Equal(t, 1, db.asked)
	})
}

func TestNumbersAreDroppedWhenTheDatabaseDoesNotAnswerForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counter{counts: []database.Count{{Queue: "mail", State: "available", Jobs: 3}}}
		cache := newCache(db)
		require.Len(t, cache.get(t.Context()).queues, 1)
		db.err = errors.New("no answer")
		time.Sleep(30 * time.Second)
		require.Len(t, cache.get(t.Context()).queues, 1)
		time.Sleep(31 * time.Second)
		require.Empty(t, cache.get(t.Context()).queues)
		db.took = time.Hour
		time.Sleep(time.Minute)
		begun := time.Now()
		require.Empty(t, cache.get(t.Context()).queues)
		require.Equal(t, statsTimeout, time.Since(begun), "a scrape waits no longer")
	})
}

func TestAQueueWhoseJobsAreGoneCountsZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &counter{counts: []database.Count{{Queue: "mail", State: "retryable", Jobs: 3, Oldest: -20}, {Queue: "mail", State: "available", Jobs: 1, Oldest: 90}}}
		cache := newCache(db)
		require.Equal(t, 90*time.Second, cache.get(t.Context()).queues["mail"].due)
		db.counts = nil
		time.Sleep(time.Minute)
		now := cache.get(t.Context())
		require.Contains(t, now.queues, "mail")
		require.Zero(t, now.queues["mail"].due)
		require.Zero(t, now.queues["mail"].jobs[StateAvailable])
	})
}

func TestOverdueQueuesAreThoseThatNobodyWorks(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type look struct {
		after   time.Duration
		due     time.Duration
		running int
		found   bool
	}
	for name, looks := range map[string][]look{
		"nobody works it":        {{0, 2 * time.Minute, 0, false}, {10 * time.Second, 130 * time.Second, 0, true}},
		"it is told again later": {{0, 2 * time.Minute, 0, false}, {10 * time.Second, 130 * time.Second, 0, true}, {20 * time.Second, 140 * time.Second, 0, false}, {11 * time.Minute, 13 * time.Minute, 0, true}},
		"a job runs":             {{0, 2 * time.Minute, 1, false}, {10 * time.Second, 130 * time.Second, 0, false}},
		"the oldest was taken":   {{0, 2 * time.Minute, 0, false}, {10 * time.Second, 100 * time.Second, 0, false}},
		"not for long":           {{0, 40 * time.Second, 0, false}, {10 * time.Second, 50 * time.Second, 0, false}},
		"the same look twice":    {{0, 2 * time.Minute, 0, false}, {0, 2 * time.Minute, 0, false}},
	} {
		o := overdue{warned: make(map[string]time.Time)}
		for _, l := range looks {
			found := o.check(stats{at: begin.Add(l.after), queues: map[string]queueStats{
				"mail": {jobs: map[State]int{StateRunning: l.running, StateAvailable: 5}, due: l.due},
			}})
			require.Equal(t, l.found, len(found) == 1, "%s, after %v", name, l.after)
		}
	}
}
