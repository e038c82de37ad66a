package queue_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
)

// onBothDatabases runs a benchmark on an empty database of each kind.
func onBothDatabases(b *testing.B, bench func(b *testing.B, db testDB)) {
	b.Helper()
	b.Run("SQLite", func(b *testing.B) { bench(b, newSQLite(b)) })
	b.Run("PostgreSQL", func(b *testing.B) { bench(b, newPostgres(b)) })
}

// BenchmarkRequeueAll requeues 100,000 dead letters while jobs are worked. Run it with -benchtime 1x.
func BenchmarkRequeueAll(b *testing.B) {
	onBothDatabases(b, func(b *testing.B, db testDB) {
		const n = 100_000
		var worked atomic.Int64
		a := startApp(b, db, handle(func(context.Context, *queue.Job[mail]) error {
			worked.Add(1)
			return nil
		}))
		for b.Loop() {
			b.StopTimer()
			db.insert(b, n, "mail")
			db.discard(b, `state = 'scheduled'`)
			before := worked.Load()
			b.StartTimer()
			requeued, err := a.client.RequeueAll(b.Context(), deadMails)
			b.StopTimer()
			require.NoError(b, err)
			require.EqualValues(b, n, requeued)
			b.ReportMetric(float64(worked.Load()-before), "worked")
			_, err = a.client.CancelAll(b.Context(), deadMails)
			require.NoError(b, err)
			b.StartTimer()
		}
	})
}
