package queue

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// Database is where an app's jobs are kept.
type Database struct {
	open func(p params, s settings) (database, error)
}

// SQLite keeps jobs in a file, which is made if it is not there. Its directory must exist. Use a file of its own
// for the queue: there is one connection, and each commit waits for the disk. Processes on one machine may
// share it, through lock files in a directory beside it whose name ends in "-workers"; it must not lie on a network drive.
func SQLite(path string) Database {
	return Database{func(params, settings) (database, error) { return newSQLite(path, nil) }}
}

// Postgres keeps jobs in a PostgreSQL database, 14 or newer, that any number of machines may share. The URL is any
// that pgx takes, with its parameters for pools, such as postgres://user:password@host:5432/database?pool_max_conns=20.
func Postgres(url string) Database {
	return Database{func(_ params, s settings) (database, error) { return newPostgres(url, nil, s.lease) }}
}

// UsePostgres keeps jobs in the database of the *[pgxpool.Pool] that the app provides.
func UsePostgres() Database {
	return Database{func(p params, s settings) (database, error) {
		if p.Pool == nil {
			return nil, errors.New("UsePostgres: the app provides no *pgxpool.Pool")
		}
		return newPostgres("", p.Pool, s.lease)
	}}
}

// UseSQLite keeps jobs in the database of the *[sql.DB] that the app provides: SQLite by the driver
// modernc.org/sqlite, with SetMaxOpenConns(1), and best with the pragmas journal_mode(WAL), synchronous(FULL) and busy_timeout.
func UseSQLite() Database {
	return Database{func(p params, _ settings) (database, error) {
		if p.DB == nil {
			return nil, errors.New("UseSQLite: the app provides no *sql.DB")
		}
		return newSQLite("", p.DB)
	}}
}

// Module gives an Fx app a *[Client], and makes its pool (workerfx.Module) work the jobs that there are handlers for
// ([ProvideHandler]). The database is opened, with tries until the app's start timeout is nearly over, and its schema
// is brought up to date before anything behind it starts; it is closed after the pool has stopped.
//
// The app's zerolog.Logger or *zerolog.Logger is used if there is one, else errors are on stderr. The times of jobs are
// in the app's prometheus.Registerer or *prometheus.Registry, named as the pool's metrics are.
func Module(db Database, opts ...Option) fx.Option {
	return fx.Module("queue",
		fx.Provide(
			func(p params) (*hub, error) { return openHub(p, db, opts) },
			func(h *hub) *Client { return &Client{hub: h} },
		),
		workerfx.ProvideWorker(newGroup, defaults...),
		fx.Invoke(checkPool),
	)
}

// params is what the module takes from the app.
type params struct {
	fx.In

	Lifecycle     fx.Lifecycle
	Logger        zerolog.Logger  `optional:"true"`
	LoggerPointer *zerolog.Logger `optional:"true"`
	Pool          *pgxpool.Pool   `optional:"true"`
	DB            *sql.DB         `optional:"true"`
}

// logger is the app's. Without one, what must not stay unseen is on stderr: jobs that are given up, above all.
func (p *params) logger() zerolog.Logger {
	switch {
	case p.LoggerPointer != nil:
		return *p.LoggerPointer
	case reflect.ValueOf(p.Logger).IsZero():
		return zerolog.New(os.Stderr).Level(zerolog.ErrorLevel).With().Timestamp().Logger()
	}
	return p.Logger
}

// openHub makes the hub and hooks it into the app's life.
func openHub(p params, db Database, opts []Option) (*hub, error) {
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
	h := newHub(opened, s, p.logger())
	p.Lifecycle.Append(fx.StartStopHook(h.start, h.stop))
	return h, nil
}

// groupParams is what the workers of queues are made of.
type groupParams struct {
	fx.In

	Hub           *hub
	Registrations []registration        `group:"queue"`
	Pool          *workerfx.Pool        // has checked the configuration
	Config        workerfx.Config       `optional:"true"`
	ConfigPointer *workerfx.Config      `optional:"true"`
	Registerer    prometheus.Registerer `optional:"true"`
	Registry      *prometheus.Registry  `optional:"true"`
}

// newGroup makes the workers of the app's queues.
func newGroup(p groupParams) (*group, error) {
	if err := p.Hub.add(p.Registrations); err != nil {
		return nil, err
	}
	queues, err := p.Hub.worked(len(p.Hub.handlers))
	if err != nil {
		return nil, err
	}
	p.Hub.queues = queues
	p.Hub.makeRoom()
	return &group{hub: p.Hub, queues: queues}, p.measure()
}

// measure registers the metrics of an app that works jobs.
func (p *groupParams) measure() error {
	config, registerer := p.Config, p.Registerer
	if p.ConfigPointer != nil {
		config = *p.ConfigPointer
	}
	if p.Registry != nil {
		registerer = p.Registry
	}
	if registerer == nil || len(p.Hub.queues) == 0 {
		return nil
	}
	return p.Hub.register(registerer, config)
}

// poolParams is what checkPool looks at.
type poolParams struct {
	fx.In

	Hub           *hub           // opened with the app, whether or not anybody asks for a Client
	Pool          *workerfx.Pool `optional:"true"`
	Registrations []registration `group:"queue"`
}

// checkPool refuses handlers that nobody would call.
func checkPool(p poolParams) error {
	for _, r := range p.Registrations {
		if r.handler != nil && p.Pool == nil {
			return fmt.Errorf("queue: there is a handler for kind %q and no pool to work its jobs: add workerfx.Module", r.handler.kind)
		}
	}
	return nil
}
