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

func newNamedCheck(name string) (health.Check, error) {
	return health.Check{Name: name, Check: func(context.Context) error { return nil }}, nil
}

func newPointerCheck() *health.Check { return &health.Check{Name: "database"} }
func newCheckFunc() func(context.Context) error {
	return func(context.Context) error { return errBoom }
}
func newTwoChecks() (health.Check, health.Check)        { return health.Check{}, health.Check{} }
func newBrokenCheck(*http.Client) (health.Check, error) { return health.Check{}, errBoom }

func TestAConstructorOfACheckMayBeAnnotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e endpoint
		fxtest.New(t,
			health.Module,
			fx.Supply(fx.Annotate("cache", fx.ResultTags(`name:"check"`))),
			health.ProvideCheck(fx.Annotate(newNamedCheck, fx.ParamTags(`name:"check"`))),
			fx.Populate(&e),
		).RequireStart()
		status, answer := probe(e.Handler, "/readyz?verbose")
		require.Equal(t, 200, status)
		require.Contains(t, answer, "[+] cache ok\n")
	})
}

func TestAConstructorThatMakesNoCheckIsAnError(t *testing.T) {
	for want, fn := range map[string]any{
		"health.ProvideCheck: got <nil>, want a constructor":                                            nil,
		"health.ProvideCheck: got health.Check, want a constructor":                                     health.Check{},
		"health_test.newPointerCheck): *health.Check is not a health.Check":                             newPointerCheck,
		"health_test.newPointerCheck): *health.Check is not":                                            fx.Annotate(newPointerCheck, fx.ResultTags(`name:"x"`)),
		"health_test.newCheckFunc): func(context.Context) error is not a health.Check":                  newCheckFunc,
		"health_test.newTwoChecks): func() (health.Check, health.Check) must return one thing":          newTwoChecks,
		"missing dependencies for function \"github.com/workerfx/workerfx/health_test\".newBrokenCheck": newBrokenCheck,
	} {
		var e endpoint
		app := fx.New(fx.NopLogger, workerfx.Module, health.Module, health.ProvideCheck(fn), fx.Populate(&e))
		require.ErrorContains(t, app.Err(), want)
	}
}
