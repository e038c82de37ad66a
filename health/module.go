package health

import (
	"net/http"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// checksGroup is the value group of checks.
const checksGroup = `group:"health"`

// Module provides the [Handler] of the app's pool, with all checks that [ProvideCheck] contributes, as an
// http.Handler named "health" (`name:"health"`). To serve it is up to the app.
var Module = fx.Module("health", fx.Provide(New))

// Params is what [New] needs.
type Params struct {
	fx.In

	Pool   *workerfx.Pool
	Checks []Check `group:"health"`
}

// Result is what [New] provides.
type Result struct {
	fx.Out

	Handler http.Handler `name:"health"`
}

// New makes the handler of the params' pool.
func New(p Params) Result {
	return Result{Handler: Handler(p.Pool, p.Checks...)}
}

// ProvideCheck adds the [Check] that constructor returns to what /readyz asks.
func ProvideCheck(constructor any) fx.Option {
	return fx.Provide(fx.Annotate(constructor, fx.ResultTags(checksGroup)))
}
