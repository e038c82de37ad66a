package queue_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

// constructorNames keeps the names of functions that Fx's log shows.
type constructorNames struct{ names []string }

func (c *constructorNames) LogEvent(event fxevent.Event) {
	switch e := event.(type) {
	case *fxevent.Provided:
		c.names = append(c.names, e.ConstructorName)
	case *fxevent.Run:
		c.names = append(c.names, e.Name)
	case *fxevent.Invoked:
		c.names = append(c.names, e.FunctionName)
	}
}

func newHooks() queue.Hooks { return queue.Hooks{} }

func TestFxsLogAndGraphNameFunctionsThatOneCanFind(t *testing.T) {
	var log constructorNames
	var graph fx.DotGraph
	app := fx.New(fx.WithLogger(func() fxevent.Logger { return &log }), workerfx.Module,
		queue.Module(queue.SQLite(filepath.Join(t.TempDir(), "jobs.db"))),
		queue.ProvideHandler[Greeting](NewGreeter), queue.ProvideHooks(newHooks), queue.Periodic("@daily", Greeting{}),
		fx.Invoke(func(g fx.DotGraph) { graph = g }))
	require.NoError(t, app.Start(t.Context()))
	require.NoError(t, app.Stop(context.Background()))
	for _, want := range []string{"queue.newClient()", "queue.checkPool()", "queue_test.NewGreeter()", "queue_test.newHooks()", `\"queue_test.NewGreeter #`} {
		found := false
		for _, name := range log.names {
			found = found || strings.Contains(name, want)
			assert.NotContains(t, name, "makeFuncStub")
		}
		assert.True(t, found, "%s is in none of\n%q", want, log.names)
	}
	assert.Contains(t, string(graph), `label="NewGreeter"`)
	assert.NotContains(t, string(graph), "makeFuncStub")
}
