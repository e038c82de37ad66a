package dashboard

import (
	"log/slog"

	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/constructor"
	"github.com/workerfx/workerfx/internal/slogwriter"
)

// Module serves the page of the app's pool with the app: see [Config]. The app may supply a Config, and adds options
// with [ProvideOption], [SupplyOptions] and [ProvideSection]. A *[Server] says where the page is.
var Module = fx.Module("dashboard",
	fx.Provide(New),
	fx.Invoke(func(*Server) {}),
)

// Params is what [New] needs.
type Params struct {
	fx.In

	Lifecycle fx.Lifecycle
	Pool      *workerfx.Pool
	Config    Config          `optional:"true"`
	Options   []Option        `group:"dashboard"`
	Sections  []Section       `group:"dashboard"`
	Logger    zerolog.Logger  `optional:"true"`
	Pointer   *zerolog.Logger `optional:"true"`
	Slog      *slog.Logger    `optional:"true"` // used if there is no other logger
}

// New makes the server, and lets it start and stop with the app. The start fails if the configuration is not valid or
// the address is taken.
func New(p Params) (*Server, error) {
	logger, _ := slogwriter.Choose(p.Pointer, p.Logger, p.Slog)
	options := p.Options
	for _, section := range p.Sections {
		options = append(options, WithSection(section))
	}
	server, err := newServer(p.Pool, p.Config, options, logger)
	if err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.Hook{OnStart: server.start, OnStop: server.stop})
	return server, nil
}

// ProvideOption adds the [Option] that a constructor returns, such as [WithActions] with the app's own login. The
// constructor is any function that fx.Provide takes. It may return an error, too.
func ProvideOption(fn any) fx.Option { return provide[Option]("dashboard.ProvideOption", fn) }

// SupplyOptions adds options that need nothing from the app.
func SupplyOptions(opts ...Option) fx.Option {
	all := make([]fx.Option, len(opts))
	for i, opt := range opts {
		all[i] = ProvideOption(func() Option { return opt })
	}
	return fx.Options(all...)
}

// ProvideSection adds the [Section] that a constructor returns. It may take values of the app, and may return an error,
// too.
func ProvideSection(fn any) fx.Option { return provide[Section]("dashboard.ProvideSection", fn) }

// provide adds the T that a constructor returns to the values of [Params]. caller is the function that it was given to.
func provide[T any](caller string, fn any) fx.Option {
	c, err := constructor.InspectFor[T](caller, fn)
	if err != nil {
		return fx.Error(err)
	}
	annotations := append(constructor.Annotations[fx.Annotation](fn), fx.ResultTags(`group:"dashboard"`))
	return fx.Provide(constructor.Locate(fx.Annotate(c.Function, annotations...), c.Function))
}
