package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// wanted are the rows to change. They are locked in the order of their IDs, so that two calls do not wait for each other.
const wanted = `WITH wanted AS (
	SELECT id, CASE WHEN river_job_state_in_bitmask(unique_states, 'available') THEN unique_key END AS key
	FROM river_job WHERE id = ANY($1::bigint[]) AND state = ANY($2::text[]::river_job_state[]) ORDER BY id FOR UPDATE)`

var changes = database.Changes[pgx.Tx]{
	Choose: `SELECT coalesce(json_agg(id), '[]') FROM (SELECT id FROM river_job
		WHERE state = ANY($1::text[]::river_job_state[])
			AND (coalesce(cardinality($2::text[]), 0) = 0 OR kind = ANY($2::text[]))
			AND (coalesce(cardinality($3::text[]), 0) = 0 OR queue = ANY($3::text[]))
			AND id > $4 AND id <= $5 ORDER BY id LIMIT $6) AS chosen`,
	Statements: map[database.Change]string{
		// It does what River's JobRetry does. A unique job is left if there is one like it already, also among those that
		// are wanted.
		database.Requeue: wanted + `, numbered AS (SELECT id, key, row_number() OVER (PARTITION BY key ORDER BY id) AS n FROM wanted)
			UPDATE river_job AS job SET state = 'available', scheduled_at = now(), finalized_at = NULL,
				max_attempts = CASE WHEN attempt = max_attempts THEN max_attempts + 1 ELSE max_attempts END,
				metadata = metadata - 'cancel_attempted_at'
			FROM numbered WHERE job.id = numbered.id AND (key IS NULL OR n = 1 AND NOT EXISTS (
				SELECT 1 FROM river_job AS other WHERE other.unique_key = key AND other.unique_states IS NOT NULL
					AND river_job_state_in_bitmask(other.unique_states, other.state) AND other.id <> job.id))
			RETURNING job.id, job.queue, job.state::text`,
		// It does what River's JobCancel does.
		database.Cancel: wanted + `UPDATE river_job AS job SET
				state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
				finalized_at = CASE WHEN state = 'running' THEN NULL ELSE now() END,
				metadata = jsonb_set(metadata, '{cancel_attempted_at}', to_jsonb(now()))
			FROM wanted WHERE job.id = wanted.id RETURNING job.id, job.queue, job.state::text`,
		database.Delete: wanted + `DELETE FROM river_job AS job USING wanted WHERE job.id = wanted.id
			RETURNING job.id, job.queue, job.state::text`,
	},
	List: func(list any) any { return list },
	Query: func(ctx context.Context, tx pgx.Tx, statement string, args ...any) ([]database.Changed, error) {
		rows, err := tx.Query(ctx, statement, args...)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[database.Changed])
	},
}
