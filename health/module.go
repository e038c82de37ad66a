package health

import (
	"net/http"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/constructor"
)

// checksGroup is the value group of checks.
const checksGroup = `group:"health"`

// Module provides the [Handler] of the app's pool, with all checks of [ProvideCheck], as an http.Handler with the
// name "health" (`name:"health"`). The app serves it. The app may supply a [Config].
var Module = fx.Module("health", fx.Provide(New))

// Params is what [New] needs.
type Params struct {
	fx.In

	Pool   *workerfx.Pool
	Config Config  `optional:"true"`
	Checks []Check `group:"health"`
}

// Result is what [New] provides.
type Result struct {
	fx.Out

	Handler http.Handler `name:"health"`
}

// New makes the handler of the pool.
func New(p Params) Result {
	return Result{Handler: p.Config.Handler(p.Pool, p.Checks...)}
}

// ProvideCheck adds the [Check] that a constructor returns to /readyz. The constructor is any function that fx.Provide
// takes. Its first result is a Check. Its second result, if there is one, is an error.
func ProvideCheck(fn any) fx.Option {
	c, err := constructor.InspectFor[Check]("health.ProvideCheck", fn)
	if err != nil {
		return fx.Error(err)
	}
	annotations := append(constructor.Annotations[fx.Annotation](fn), fx.ResultTags(checksGroup))
	return fx.Provide(constructor.Locate(fx.Annotate(c.Function, annotations...), c.Function))
}
