package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// mailer is a handler that needs the pool and the client, itself or through a service.
type mailer struct {
	pool    *workerfx.Pool
	client  *queue.Client
	handled chan queue.Enqueued
}

func (m *mailer) Handle(ctx context.Context, job *queue.Job[mail]) error {
	if job.Args.To != "first" {
		return nil
	}
	added, err := m.client.Enqueue(ctx, mail{To: "second"})
	m.handled <- added
	return errors.Join(err, m.pool.Trigger("idle"))
}

func newMailer(pool *workerfx.Pool, client *queue.Client, handled chan queue.Enqueued) *mailer {
	return &mailer{pool, client, handled}
}

func idle() workerfx.Worker {
	return workerfx.NewWorker("idle", func(context.Context) error { return nil }, workerfx.WithCron("@yearly"))
}

func TestHandlersAndHooksMayTakeThePoolAndTheClient(t *testing.T) {
	hooks := func(pool *workerfx.Pool, client *queue.Client) queue.Hooks {
		return queue.Hooks{OnLocked: func(ctx context.Context, _ queue.JobInfo) { _, _ = client.Counts(ctx); _ = pool.Executions() }}
	}
	for name, handler := range map[string]fx.Option{
		"handler":           queue.ProvideHandler[mail](newMailer),
		"through a service": fx.Options(fx.Provide(newMailer), queue.ProvideHandler[mail](func(m *mailer) queue.Handler[mail] { return m })),
		"in a module": fx.Module("mail", fx.Provide(newMailer, fx.Private),
			queue.ProvideHandler[mail](func(m *mailer) queue.Handler[mail] { return m })),
		"annotated": queue.ProvideHandler[mail](fx.Annotate(newMailer, fx.ParamTags(`optional:"true"`))),
	} {
		t.Run(name, func(t *testing.T) {
			handled := make(chan queue.Enqueued, 1)
			a := startApp(t, newSQLite(t), handler, queue.ProvideHooks(hooks), fx.Supply(handled), workerfx.Module, workerfx.ProvideWorker(idle))
			defer a.RequireStop()
			a.enqueue(t, mail{To: "first"})
			a.awaitState(t, receive(t, handled).ID, queue.StateCompleted)
		})
	}
}

func TestADatabaseThatNeedsTheClientIsAnErrorAndNoCrash(t *testing.T) {
	err := errorOf(queue.Module(queue.UseSQLite()), fx.Provide(func(*queue.Client) *sql.DB { return nil }), handle(nothing))
	require.ErrorContains(t, err, "cycle detected in dependency graph")
}

func newBrokenHandler() (queue.Handler[mail], error) { return nil, errBoom }

func TestErrorsNameTheHandlersConstructor(t *testing.T) {
	file := queue.SQLite(filepath.Join(t.TempDir(), "jobs.db"))
	err := errorOf(queue.Module(file), queue.ProvideHandler[mail](newBrokenHandler))
	require.ErrorIs(t, err, errBoom)
	assert.Contains(t, err.Error(), "newBrokenHandler")
	assert.NotContains(t, err.Error(), "makeFuncStub")
}
