//go:build !nosqlite

// Package sqlite keeps jobs in an SQLite file. Each client has a lock file, by which others see that it lives.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/workerfx/workerfx/internal/lockfile"
	"github.com/workerfx/workerfx/queue/internal/database"
)

// Database is an SQLite database in a file.
type Database struct {
	database.Store[*sql.Tx]

	path  string // empty for an app's database in memory
	db    *sql.DB
	own   bool // the app does not own db
	locks lockfile.Directory
}

// New returns the database of a path, or the app's if db is set.
func New(path string, db *sql.DB) (database.Database, error) {
	stored := database.NewStore(&dialect, &changes)
	if db != nil {
		return &Database{Store: stored, db: db}, nil
	}
	switch {
	case path == "":
		return nil, errors.New("SQLite: the path is empty, want that of a file")
	case strings.Contains(path, ":memory:"):
		return nil, fmt.Errorf("SQLite: %q is not a file: jobs in memory do not outlive the process", path)
	case strings.HasPrefix(path, "file:"):
		return nil, fmt.Errorf("SQLite: %q is a URI, want the path of a file", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("SQLite: path %q: %w", path, err)
	}
	return &Database{Store: stored, path: absolute, own: true}, nil
}

// SetMaxTransactions does nothing: there is one connection.
func (*Database) SetMaxTransactions(int) {}

// String is "SQLite in path".
func (d *Database) String() string {
	if d.path == "" {
		return "the app's SQLite database"
	}
	return "SQLite in " + d.path
}

// Shared is false: there is one connection.
func (*Database) Shared() bool { return false }

// pragmas make the file survive a power cut (WAL, and every commit on the disk). They make processes wait for each
// other. A transaction takes the lock when it begins, as it may fail to take the lock later.
const pragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_txlock=immediate"

// Open opens the file, and makes the directory of lock files.
func (d *Database) Open(ctx context.Context, log *slog.Logger) error {
	if d.db == nil {
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: d.path, RawQuery: pragmas}).String())
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1) // SQLite has one writer, and a second connection would only wait for it
		d.db = db
	}
	if err := d.db.PingContext(ctx); err != nil {
		return d.explain(err)
	}
	if !d.own {
		if err := d.inspect(ctx); err != nil {
			return err
		}
	}
	if d.path != "" {
		file, err := filepath.EvalSymlinks(d.path) // a file with two names has one directory of lock files
		if err != nil {
			return err
		}
		d.locks = lockfile.Directory(file + "-workers")
		if err := d.locks.Make(); err != nil {
			return err
		}
	}
	return d.Use(riversqlite.New(d.db), log)
}

// Check does nothing: locks are files.
func (*Database) Check(context.Context, bool) error { return nil }

// explain adds the likely reason to an error of SQLite about a file that it cannot open.
func (d *Database) explain(err error) error {
	if _, dirErr := os.Stat(filepath.Dir(d.path)); d.own && dirErr != nil {
		return database.PermanentError{Err: fmt.Errorf("%w: %w", err, dirErr)}
	}
	if code := errorCode(err) & 0xff; code == cannotOpen || code == notADatabase {
		return database.PermanentError{Err: err}
	}
	return err
}

// Codes of SQLite's errors.
const (
	busy             = 5
	cannotOpen       = 14
	notADatabase     = 26
	constraintUnique = 2067
)

// errorCode is the code of an error of SQLite, or 0.
func errorCode(err error) int {
	failed, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	if !ok {
		return 0
	}
	return failed.Code()
}

// inspect checks the app's database, and finds its file.
func (d *Database) inspect(ctx context.Context) error {
	if n := d.db.Stats().MaxOpenConnections; n != 1 {
		return database.PermanentError{Err: fmt.Errorf("the app's *sql.DB may open %d connections (0 is any number), want 1: SetMaxOpenConns(1)", n)}
	}
	var path string
	if err := d.db.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		return database.PermanentError{Err: fmt.Errorf("the app's *sql.DB is not SQLite (PostgreSQL is used through a *pgxpool.Pool): %w", err)}
	}
	d.path = path
	return nil
}

// Close closes the file. A database of the app stays open.
func (d *Database) Close() {
	if d.own && d.db != nil {
		_ = d.db.Close()
		d.db = nil
	}
}

// Migrate holds the lock file of migrations.
func (d *Database) Migrate(ctx context.Context, log *slog.Logger, apply bool) error {
	if apply && d.locks != "" {
		lock, err := d.locks.Lock(ctx, "migrate")
		if err != nil {
			return fmt.Errorf("lock for migrations: %w", err)
		}
		defer lock.Release()
	}
	return d.MigrateIn(ctx, log, apply)
}

// Join locks the client's file. The system unlocks the file when the process is gone.
func (d *Database) Join(ctx context.Context, clientID string) (*database.Session, error) {
	session := database.NewSession(context.Background(), clientID)
	session.Sweep, session.Leave = d.sweep, func() {}
	if d.locks == "" {
		return session, nil
	}
	lock, err := d.locks.Lock(ctx, clientID)
	if err != nil {
		return nil, fmt.Errorf("liveness lock: %w", err)
	}
	session.Leave = lock.Remove
	return session, nil
}

var dialect = database.Dialect{
	Fence: `SELECT true FROM river_job WHERE id = ? AND state = 'running' AND attempt = ?
		AND json_extract(attempted_by, '$[#-1]') = ?`,
	Counts: `SELECT json_group_array(json_object('Queue', queue, 'State', state, 'Jobs', jobs,
			'Oldest', (julianday(datetime('now', 'subsec')) - julianday(first)) * 86400))
		FROM (SELECT queue, state, count(*) AS jobs, min(scheduled_at) AS first FROM river_job
			GROUP BY state, queue ORDER BY queue, state)`,
	OwnJobs: `SELECT json_group_array(json_object('ID', id, 'Attempt', attempt,
			'Cancelled', json(iif(cancelled, 'true', 'false')), 'Old', json(iif(old, 'true', 'false'))))
		FROM (SELECT id, attempt, json_extract(metadata, '$.cancel_attempted_at') IS NOT NULL AS cancelled,
				(julianday(datetime('now', 'subsec')) - julianday(attempted_at)) * 86400 > 20 AS old
			FROM river_job WHERE state = 'running' AND json_extract(attempted_by, '$[#-1]') = ?)
		WHERE cancelled OR old`,
	IsDuplicate: func(err error) bool { return errorCode(err) == constraintUnique },
	IsDoubled:   func(error) bool { return false }, // River's driver finds it before
	IsDeadlock:  func(error) bool { return false }, // there is one writer
	IsLocked:    func(err error) bool { return errorCode(err)&0xff == busy },
}

// Work calls do in a transaction, and completes the job in it.
func (d *Database) Work(ctx context.Context, _ reflect.Type, job *rivertype.JobRow, do func(tx any) error) error {
	return database.InTx(ctx, d.db, func(tx *sql.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return d.Complete(ctx, tx, job)
	})
}
