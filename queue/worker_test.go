package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func TestAQueuesWorkerHasNoScheduleAndNoOtherName(t *testing.T) {
	minute, cron := time.Minute, "@daily"
	const why = `: a queue is worked all the time: leave out WithInterval, WithCron, WithSchedule and, in the configuration, interval and cron`
	for name, c := range map[string]struct {
		opt    workerfx.Option
		config workerfx.Config
		want   string
	}{
		"interval": {opt: workerfx.WithInterval(time.Hour), want: `queue "mail": worker "queue/mail": schedule "every 1h0m0s" (code)` + why},
		"cron":     {opt: workerfx.WithCron("@hourly"), want: `schedule "cron @hourly" (code)` + why},
		"schedule": {opt: workerfx.WithSchedule(never{}), want: `schedule "queue_test.never" (code)` + why},
		"interval of the defaults": {
			config: workerfx.Config{Defaults: workerfx.WorkerConfig{Interval: &minute}},
			want:   `queue "mail": worker "queue/mail": schedule "every 1m0s" (config defaults)` + why,
		},
		"cron by name": {
			config: workerfx.Config{Workers: map[string]workerfx.WorkerConfig{"queue/mail": {Cron: &cron}}},
			want:   `queue "mail": worker "queue/mail": schedule "cron @daily" (config by name)` + why,
		},
		"name": {
			opt:  workerfx.WithName("letters"),
			want: `queue "mail": option WithName: its worker must be "queue/mail", and the pool has ["queue/letters"]: leave the option out`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var opts []workerfx.Option
			if c.opt != nil {
				opts = append(opts, c.opt)
			}
			a := newAppWith(t, newSQLite(t).module(queue.WithQueue("mail", 1, opts...)), handle(nothing), fx.Supply(c.config))
			require.ErrorContains(t, a.Start(t.Context()), c.want)
		})
	}
}

func TestAQueuesWorkerMayBeRemovedBeforeTheStart(t *testing.T) {
	a := newAppWith(t, newSQLite(t).module(), handle(nothing))
	require.NoError(t, a.Pool.Remove(t.Context(), "queue/default"))
	a.RequireStart()
	a.RequireStop()
}

// never is a schedule without ticks.
type never struct{}

func (never) Next(time.Time) time.Time { return time.Time{} }
