//go:build !nosqlite

package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// maxSweep is the largest number of jobs in one sweep. The next sweep frees the others.
const maxSweep = 10_000

// sweep frees the jobs of clients that are gone.
func (d *Database) sweep(ctx context.Context) (freed []*rivertype.JobRow, err error) {
	owners, err := d.owners(ctx)
	if err != nil || len(owners) == 0 {
		return nil, err
	}
	for _, owner := range owners {
		if !database.IsOurs(owner) {
			continue
		}
		lock, dead, err := d.locks.TryLock(owner)
		if err != nil {
			return freed, err
		}
		if !dead {
			continue
		}
		jobs, err := d.sweepOwner(ctx, owner)
		freed = append(freed, jobs...)
		lock.Remove()
		if err != nil {
			return freed, fmt.Errorf("sweep the jobs of %s: %w", owner, err)
		}
	}
	return freed, nil
}

// owners returns the clients that have running jobs.
func (d *Database) owners(ctx context.Context) (owners []string, err error) {
	if d.locks == "" {
		return nil, nil
	}
	rows, err := d.db.QueryContext(ctx,
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

// sweepOwner frees the jobs of a client whose lock is held.
func (d *Database) sweepOwner(ctx context.Context, owner string) (freed []*rivertype.JobRow, err error) {
	err = database.InTx(ctx, d.db, func(tx *sql.Tx) error {
		exec := d.Executor(tx)
		freed, err = exec.JobList(ctx, &riverdriver.JobListParams{
			Max: maxSweep, OrderByClause: "id", NamedArgs: map[string]any{"owner": owner},
			WhereClause: `state = 'running' AND json_extract(attempted_by, '$[#-1]') = @owner`,
		})
		if err != nil || len(freed) == 0 {
			return err
		}
		return database.Free(ctx, exec, freed)
	})
	if err != nil {
		return nil, err
	}
	return freed, nil
}
