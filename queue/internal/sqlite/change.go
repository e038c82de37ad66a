//go:build !nosqlite

package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// wanted chooses the rows to change.
const wanted = ` WHERE id IN (SELECT value FROM json_each(?1)) AND state IN (SELECT value FROM json_each(?2)) RETURNING id, queue, state`

var changes = database.Changes[*sql.Tx]{
	Choose: `SELECT json_group_array(id) FROM (SELECT id FROM river_job
		WHERE state IN (SELECT value FROM json_each(?1))
			AND (json_array_length(?2) = 0 OR kind IN (SELECT value FROM json_each(?2)))
			AND (json_array_length(?3) = 0 OR queue IN (SELECT value FROM json_each(?3)))
			AND id > ?4 AND id <= ?5 ORDER BY id LIMIT ?6)`,
	Statements: map[database.Change]string{
		// It does what River's JobRetry does. A unique job is left if there is one like it already.
		database.Requeue: `UPDATE OR IGNORE river_job SET state = 'available', scheduled_at = datetime('now', 'subsec'), finalized_at = NULL,
			max_attempts = CASE WHEN attempt = max_attempts THEN max_attempts + 1 ELSE max_attempts END,
			metadata = jsonb_remove(metadata, '$.cancel_attempted_at')` + wanted,
		// It does what River's JobCancel does.
		database.Cancel: `UPDATE river_job SET state = CASE WHEN state = 'running' THEN state ELSE 'cancelled' END,
			finalized_at = CASE WHEN state = 'running' THEN NULL ELSE datetime('now', 'subsec') END,
			metadata = jsonb_set(metadata, '$.cancel_attempted_at', strftime('%Y-%m-%dT%H:%M:%fZ', datetime('now', 'subsec')))` + wanted,
		database.Delete: `DELETE FROM river_job` + wanted,
	},
	List: func(list any) any {
		encoded, _ := json.Marshal(list) //nolint:errchkjson // it is a list of numbers or texts
		return string(encoded)
	},
	Query: func(ctx context.Context, tx *sql.Tx, statement string, args ...any) (changed []database.Changed, err error) {
		rows, err := tx.QueryContext(ctx, statement, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var job database.Changed
			if err := rows.Scan(&job.ID, &job.Queue, &job.State); err != nil {
				return nil, err
			}
			changed = append(changed, job)
		}
		return changed, rows.Err()
	},
}
