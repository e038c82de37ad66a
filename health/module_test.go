package health_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/health"
)

// endpoint has the values that an app takes from the module.
type endpoint struct {
	fx.In

	Handler http.Handler `name:"health"`
}

func newDatabaseCheck() health.Check {
	return health.Check{Name: "database", Check: func(context.Context) error { return errBoom }}
}

func newReadyWorker() workerfx.Worker {
	return workerfx.NewWorker("w", func(ctx context.Context) error {
		workerfx.Wait(ctx, time.Second)
		workerfx.Ready(ctx)
		return untilStopped(ctx)
	}, workerfx.WithReadiness())
}

func TestModuleServesThePoolAndTheAppsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e endpoint
		app := fxtest.New(t,
			workerfx.ProvideWorker(newReadyWorker),
			health.Module,
			health.ProvideCheck(newDatabaseCheck),
			fx.Populate(&e),
		)
		status, answer := probe(e.Handler, "/readyz")
		require.Equal(t, 503, status)
		require.Contains(t, answer, "pool is not started")

		require.NoError(t, app.Start(t.Context()))
		status, answer = probe(e.Handler, "/readyz")
		require.Equal(t, 503, status)
		require.Equal(t, "[+] workers ok\n[-] database\n    boom\nfailed\n", answer)
		status, _ = probe(e.Handler, "/livez")
		require.Equal(t, 200, status)
	})
}
