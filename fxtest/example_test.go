package fxtest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

type Mailer struct{}

func NewMailer() *Mailer { return &Mailer{} }

func (*Mailer) Run(ctx context.Context) error {
	workerfx.CtxLogger(ctx).Info().Msg("dialing")
	return errors.New("server is down")
}

// TestMailerGivesUp is the example of the package's comment.
func TestMailerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where an hour takes no time
		app := fxtest.New(t, workerfx.ProvideWorker(NewMailer,
			workerfx.WithName("mailer"),
			workerfx.WithMaxAttempts(3),
			workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Hour}),
		)).RequireStart()

		e := app.AwaitStatus("mailer", workerfx.StatusError)

		require.EqualValues(t, 3, e.Runs)
		require.ErrorContains(t, e.Err, "server is down")
		require.EqualValues(t, 3, app.Metric("worker_executions_total", "worker", "mailer", "status", "error"))
		require.Equal(t, "dialing", app.Logs("mailer")[1].Message) // after the pool's "worker started"
	})
}
