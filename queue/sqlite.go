//go:build !nosqlite

package queue

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

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqlite is an SQLite database in a file.
type sqlite struct {
	store[*sql.Tx]

	path  string // "" for an app's database in memory
	db    *sql.DB
	own   bool // db is not the app's
	locks lockFiles
}

// newSQLite returns the database of a path, or that of the app.
func newSQLite(path string, db *sql.DB) (database, error) {
	stored := store[*sql.Tx]{statements: &sqliteStatements}
	if db != nil {
		return &sqlite{store: stored, db: db}, nil
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
	return &sqlite{store: stored, path: absolute, own: true}, nil
}

// makeRoom does nothing: there is one connection.
func (*sqlite) makeRoom(int) {}

// String is "SQLite in path".
func (s *sqlite) String() string {
	if s.path == "" {
		return "the app's SQLite database"
	}
	return "SQLite in " + s.path
}

func (*sqlite) shared() bool { return false }

// pragmas make the file survive a power cut (WAL, and every commit on the disk), and make processes wait for each other.
// Transactions take the lock when they begin: to take it later could fail.
const pragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_txlock=immediate"

func (s *sqlite) open(ctx context.Context, log *slog.Logger) error {
	if s.db == nil {
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: s.path, RawQuery: pragmas}).String())
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1) // SQLite has one writer, and a second connection would only wait for it
		s.db = db
	}
	if err := s.db.PingContext(ctx); err != nil {
		return s.explain(err)
	}
	if !s.own {
		if err := s.inspect(ctx); err != nil {
			return err
		}
	}
	if s.path != "" {
		s.locks = lockFiles(s.path + "-workers")
		if err := s.locks.make(); err != nil {
			return err
		}
	}
	return s.use(riversqlite.New(s.db), log)
}

// explain adds the likely reason to an error of SQLite about a file that it cannot open.
func (s *sqlite) explain(err error) error {
	if _, dirErr := os.Stat(filepath.Dir(s.path)); s.own && dirErr != nil {
		return permanentError{fmt.Errorf("%w: %w", err, dirErr)}
	}
	const cannotOpen, notADatabase = 14, 26
	if code := sqliteCode(err) & 0xff; code == cannotOpen || code == notADatabase {
		return permanentError{err}
	}
	return err
}

// inspect checks the app's database, and finds its file.
func (s *sqlite) inspect(ctx context.Context) error {
	if n := s.db.Stats().MaxOpenConnections; n != 1 {
		return permanentError{fmt.Errorf("the app's *sql.DB may open %d connections (0 is any number), want 1: SetMaxOpenConns(1)", n)}
	}
	var path string
	if err := s.db.QueryRowContext(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`).Scan(&path); err != nil {
		return permanentError{fmt.Errorf("the app's *sql.DB is not SQLite (PostgreSQL is used through a *pgxpool.Pool): %w", err)}
	}
	s.path = path
	return nil
}

func (s *sqlite) close() {
	if s.own && s.db != nil {
		_ = s.db.Close()
		s.db = nil
	}
}

func (s *sqlite) migrate(ctx context.Context, log *slog.Logger, apply bool) error {
	if apply && s.locks != "" {
		lock, err := s.locks.lock(ctx, "migrate")
		if err != nil {
			return fmt.Errorf("lock for migrations: %w", err)
		}
		defer lock.release()
	}
	return s.migrateIn(ctx, log, apply)
}

// join locks the client's file. The system unlocks it when the process is gone.
func (s *sqlite) join(ctx context.Context, clientID string) (*session, error) {
	joined := &session{clientID: clientID, alive: context.Background(), sweep: s.sweep, leave: func() {}}
	if s.locks == "" {
		return joined, nil
	}
	lock, err := s.locks.lock(ctx, clientID)
	if err != nil {
		return nil, fmt.Errorf("liveness lock: %w", err)
	}
	joined.leave = lock.remove
	return joined, nil
}

var sqliteStatements = statements{
	fence: `SELECT true FROM river_job WHERE id = ? AND state = 'running' AND attempt = ?
		AND json_extract(attempted_by, '$[#-1]') = ?`,
	counts: `SELECT json_group_array(json_object('Queue', queue, 'State', state, 'Jobs', jobs))
		FROM (SELECT queue, state, count(*) AS jobs FROM river_job GROUP BY queue, state ORDER BY queue, state)`,
}

func (s *sqlite) work(ctx context.Context, _ reflect.Type, job *rivertype.JobRow, do func(tx any) error) error {
	return inSQLTx(ctx, s.db, func(tx *sql.Tx) error {
		if err := do(tx); err != nil {
			return err
		}
		return s.complete(ctx, s.driver.UnwrapExecutor(tx), job)
	})
}

// sweepAtOnce is the largest number of jobs in one sweep. The next sweep looks at the others.
const sweepAtOnce = 10_000

func (s *sqlite) sweep(ctx context.Context) (freed []*rivertype.JobRow, err error) {
	owners, err := s.owners(ctx)
	if err != nil || len(owners) == 0 {
		return nil, err
	}
	for _, owner := range owners {
		if !isOurs(owner) {
			continue
		}
		lock, dead, err := s.locks.tryLock(owner)
		if err != nil {
			return freed, err
		}
		if !dead {
			continue
		}
		jobs, err := s.sweepOwner(ctx, owner)
		freed = append(freed, jobs...)
		lock.remove()
		if err != nil {
			return freed, fmt.Errorf("sweep the jobs of %s: %w", owner, err)
		}
	}
	return freed, nil
}

// owners returns the clients that have running jobs.
func (s *sqlite) owners(ctx context.Context) (owners []string, err error) {
	if s.locks == "" {
		return nil, nil
	}
	rows, err := s.db.QueryContext(ctx,
		`SELECT DISTINCT json_extract(attempted_by, '$[#-1]') FROM river_job WHERE state = 'running' AND attempted_by IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var owner sql.NullString
		if err := rows.Scan(&owner); err != nil {
			return nil, err
		}
		owners = append(owners, owner.String)
	}
	return owners, rows.Err()
}

func (s *sqlite) sweepOwner(ctx context.Context, owner string) (freed []*rivertype.JobRow, err error) {
	err = inSQLTx(ctx, s.db, func(tx *sql.Tx) error {
		exec := s.driver.UnwrapExecutor(tx)
		freed, err = exec.JobList(ctx, &riverdriver.JobListParams{
			Max: sweepAtOnce, OrderByClause: "id", NamedArgs: map[string]any{"owner": owner},
			WhereClause: `state = 'running' AND json_extract(attempted_by, '$[#-1]') = @owner`,
		})
		if err != nil || len(freed) == 0 {
			return err
		}
		return free(ctx, exec, freed)
	})
	if err != nil {
		return nil, err
	}
	return freed, nil
}
