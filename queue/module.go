package queue

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/slogwriter"
	"github.com/workerfx/workerfx/queue/internal/database"
	"github.com/workerfx/workerfx/queue/internal/postgres"
	"github.com/workerfx/workerfx/queue/internal/sqlite"
)

// Database is the database of an app's jobs.
type Database struct {
	open func(p params, s settings) (database.Database, error)
}

// SQLite keeps jobs in a file. It makes the file if there is none, in a directory that must exist. Use a file for
// the queue alone: it has one connection, and each commit waits for the disk. Processes on one machine may share
// the file, with lock files in a directory beside it whose name ends in "-workers". The file must not be on a
// network drive.
func SQLite(path string) Database {
	return Database{func(_ params, s settings) (database.Database, error) {
		if err := s.refuseDirectURL(); err != nil {
			return nil, err
		}
		return sqlite.New(path, nil)
	}}
}

// Postgres keeps jobs in a PostgreSQL database, version 14 or newer, that many machines may share. The URL is one
// of pgx, with its parameters for pools, such as postgres://user:password@host:5432/database?pool_max_conns=20. If it
// leads through a pooler in transaction mode, add [WithDirectURL].
func Postgres(url string) Database {
	return Database{func(_ params, s settings) (database.Database, error) {
		return postgres.New(url, nil, s.direct, s.lease)
	}}
}

// UsePostgres keeps jobs in the database of the *[pgxpool.Pool] that the app provides. If it leads through a pooler in
// transaction mode, add [WithDirectURL], and default_query_exec_mode=cache_describe to the URL of the pool.
func UsePostgres() Database {
	return Database{func(p params, s settings) (database.Database, error) {
		if p.Pool == nil {
			return nil, errors.New("UsePostgres: the app provides no *pgxpool.Pool")
		}
		return postgres.New("", p.Pool, s.direct, s.lease)
	}}
}

// UseSQLite keeps jobs in the database of the *[sql.DB] that the app provides: SQLite with the driver
// modernc.org/sqlite and SetMaxOpenConns(1). The pragmas journal_mode(WAL), synchronous(FULL) and busy_timeout are
// recommended.
func UseSQLite() Database {
	return Database{func(p params, s settings) (database.Database, error) {
		if p.DB == nil {
			return nil, errors.New("UseSQLite: the app provides no *sql.DB")
		}
		if err := s.refuseDirectURL(); err != nil {
			return nil, err
		}
		return sqlite.New("", p.DB)
	}}
}

// Module gives an Fx app a *[Client]. The app's pool (workerfx.Module) works the jobs that have a handler
// ([ProvideHandler]). The start of the app opens the database and migrates its schema. It tries until the start
// timeout is nearly over. The database closes after the pool has stopped.
//
// Module uses the app's zerolog.Logger or *zerolog.Logger, else its *slog.Logger. Without a logger, errors go to stderr.
// The metrics of jobs are in the app's prometheus.Registerer or *prometheus.Registry, with the prefix of the pool's metrics.
func Module(db Database, opts ...Option) fx.Option {
	return fx.Module("queue",
		fx.Provide(
			func(p params) (*appQueue, error) { return openAppQueue(p, db, opts) },
			newClient,
		),
		workerfx.ProvideWorker(newGroup, defaults...),
		fx.Invoke(checkPool),
	)
}

// params are the values that the module takes from the app.
type params struct {
	fx.In

	Lifecycle     fx.Lifecycle
	Logger        zerolog.Logger  `optional:"true"`
	LoggerPointer *zerolog.Logger `optional:"true"`
	Slog          *slog.Logger    `optional:"true"` // used if there is no other logger
	Pool          *pgxpool.Pool   `optional:"true"`
	DB            *sql.DB         `optional:"true"`

	Workers       *workerfx.Pool        `optional:"true"` // has checked the configuration
	Config        workerfx.Config       `optional:"true"`
	ConfigPointer *workerfx.Config      `optional:"true"`
	Registerer    prometheus.Registerer `optional:"true"`
	Registry      *prometheus.Registry  `optional:"true"`
}

// logger is the app's logger. Without it, errors go to stderr, such as jobs that are given up.
func (p *params) logger() zerolog.Logger {
	if logger, ok := slogwriter.Choose(p.LoggerPointer, p.Logger, p.Slog); ok {
		return logger
	}
	return zerolog.New(os.Stderr).Level(zerolog.ErrorLevel).With().Timestamp().Logger()
}

// openAppQueue makes the queue of the app, and appends its hooks.
func openAppQueue(p params, db Database, opts []Option) (*appQueue, error) {
	s, err := newSettings(opts)
	if err != nil {
		return nil, err
	}
	if db.open == nil {
		return nil, errors.New("queue: the Database is zero: use SQLite, Postgres, UseSQLite or UsePostgres")
	}
	opened, err := db.open(p, s)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	a := newAppQueue(opened, p.Workers, s, p.logger())
	if err := p.registerMetrics(a); err != nil {
		return nil, err
	}
	p.Lifecycle.Append(fx.StartStopHook(a.start, a.stop))
	return a, nil
}

// registerMetrics registers the metrics of the app's queues, if the app has a registry.
func (p *params) registerMetrics(a *appQueue) error {
	config, registerer := p.Config, p.Registerer
	if p.ConfigPointer != nil {
		config = *p.ConfigPointer
	}
	if p.Registry != nil {
		registerer = p.Registry
	}
	if registerer == nil {
		return nil
	}
	return a.registerMetrics(registerer, config)
}

func newClient(a *appQueue) *Client { return &Client{app: a} }

// groupParams are the parameters of newGroup.
type groupParams struct {
	fx.In

	App           *appQueue
	Registrations []registration `group:"queue"`
}

// newGroup makes the workers of the app's queues.
func newGroup(p groupParams) (*group, error) {
	if err := p.App.add(p.Registrations); err != nil {
		return nil, err
	}
	queues, err := p.App.workedQueues(len(p.App.handlers))
	if err != nil {
		return nil, err
	}
	p.App.queues = queues
	p.App.setMaxTransactions()
	return &group{app: p.App, queues: queues}, nil
}

// poolParams are the parameters of checkPool.
type poolParams struct {
	fx.In

	App           *appQueue      // asked for here, so that the app opens it also without a Client
	Pool          *workerfx.Pool `optional:"true"`
	Registrations []registration `group:"queue"`
}

// checkPool returns an error if there are handlers or queues to work, and no pool.
func checkPool(p poolParams) error {
	if p.Pool != nil {
		return nil
	}
	for _, r := range p.Registrations {
		if r.handler != nil {
			return fmt.Errorf("queue: there is a handler for kind %q and no pool to work its jobs: add workerfx.Module", r.handler.kind)
		}
	}
	if queues := p.App.settings.queues; len(queues) > 0 {
		return fmt.Errorf("queue: WithQueue names queue %q and there is no pool to work it: add workerfx.Module", queues[0].name)
	}
	return nil
}
