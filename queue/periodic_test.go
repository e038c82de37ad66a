package queue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
)

func TestPeriodicJobIsEnqueuedByOneOfManyApps(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		var mu sync.Mutex
		var worked []time.Time // when they were due
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(worked)
		}
		for range 2 {
			startApp(t, db, queue.Periodic("* * * * * *", mail{To: "ada"}, queue.Priority(2)),
				handle(func(_ context.Context, job *queue.Job[mail]) error {
					mu.Lock()
					defer mu.Unlock()
					worked = append(worked, job.ScheduledAt.Truncate(time.Second))
					require.Equal(t, "ada", job.Args.To)
					require.Equal(t, 2, job.Priority)
					return nil
				}))
		}
		eventually(t, "it came three times", func() bool { return count() >= 3 })
		mu.Lock()
		defer mu.Unlock()
		for i, due := range worked {
			require.NotContains(t, worked[i+1:], due, "each second is enqueued once")
		}
	})
}

// tagged are arguments of which River compares one.
type tagged struct {
	ID   int `river:"unique"`
	Text string
}

func (tagged) Kind() string { return "tagged" }

func TestPeriodicJobsThatAreTheSameAndUniqueAreRefused(t *testing.T) {
	db := newSQLite(t)
	every := queue.Periodic
	err := errorOf(db.module(), every("@hourly", mail{"a"}, queue.Unique()), every("@daily", mail{"a"}, queue.Unique()))
	require.ErrorContains(t, err, `periodic job of kind "mail": it is unique, and there twice ("@daily" and "@hourly")`)
	require.Error(t, errorOf(db.module(), every("@hourly", tagged{1, "a"}, queue.Unique()), every("@daily", tagged{1, "b"}, queue.Unique())))
	require.NoError(t, errorOf(db.module(),
		every("0 9 * * 1-5", tagged{2, "weekdays"}, queue.Unique()), every("0 11 * * 0,6", tagged{2, "weekend"}, queue.Unique()),
		every("@hourly", mail{"a"}, queue.Unique()), every("@daily", mail{"b"}, queue.Unique()), every("@daily", mail{"a"}),
		every("@daily", secret{"a"}, queue.Unique()), every("@hourly", mail{"a"}, queue.UniqueFor(time.Hour))))
}
