package browser_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/dashboard"
)

// newShop makes a pool as a shop may have it, with workers in all states, that has run for a moment.
func newShop(t *testing.T) (*workerfx.Pool, *dashboard.Logs) {
	t.Helper()
	logs := dashboard.NewLogs(20)
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(logs).With().Timestamp().Logger()), workerfx.WithConfig(workerfx.Config{
		Name: "shop", Except: []string{"reports/yearly"},
		Workers: map[string]workerfx.WorkerConfig{"mail/send": {StopTimeout: new(20 * time.Second)}},
	}))
	require.NoError(t, err)
	for _, w := range shopWorkers() {
		require.NoError(t, pool.Add(w))
	}
	require.NoError(t, pool.Start(context.Background()))
	t.Cleanup(func() { _ = pool.Stop(context.Background()) })
	require.Eventually(t, func() bool {
		e, err := pool.Execution("mail/send")
		return err == nil && e.Runs >= 12
	}, patience, 10*time.Millisecond)
	require.NoError(t, pool.Pause("search/index"))
	return pool, logs
}

func shopWorkers() []workerfx.Worker {
	sent := 0
	send := func(ctx context.Context) error {
		sent++
		workerfx.CtxLogger(ctx).Info().Int("mails", 10*sent%7).Msg("sent")
		time.Sleep(time.Duration(5+sent*7%23) * time.Millisecond)
		if sent%5 == 0 {
			return fmt.Errorf("send to mail.example: %w", errors.New("connection refused"))
		}
		return nil
	}
	return []workerfx.Worker{
		workerfx.NewWorker("mail/send", send, workerfx.WithInterval(50*time.Millisecond), workerfx.WithMaxAttempts(3), workerfx.WithEvents(40)),
		workerfx.NewWorker("mail/fetch", untilStopped, workerfx.WithReplicas(3)),
		workerfx.NewWorker("orders", untilStopped, workerfx.WithEssential(), workerfx.WithReadiness()),
		workerfx.NewWorker("payments", func(context.Context) error { panic("invoice 4711 has no amount") }),
		workerfx.NewWorker("prices", func(context.Context) error {
			return errors.New("get https://prices.example/v1/all: unexpected status 503: " + strings.Repeat("try again later, ", 9))
		},
			workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Minute})),
		workerfx.NewWorker("reports/daily", untilStopped, workerfx.WithCron("30 4 * * *")),
		workerfx.NewWorker("reports/yearly", untilStopped),
		workerfx.NewWorker("search/index", untilStopped, workerfx.WithInterval(time.Hour)),
		workerfx.NewWorker("shipping", untilStopped, workerfx.WithAfter("orders")),
		workerfx.NewWorker("stock", untilStopped, workerfx.WithHeartbeat(100*time.Millisecond)),
		workerfx.NewWorker("warm-up", func(context.Context) error { return nil }),
	}
}
