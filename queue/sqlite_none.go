//go:build nosqlite

package queue

import (
	"database/sql"
	"errors"
)

// newSQLite refuses: the program was built without SQLite.
func newSQLite(string, *sql.DB) (database, error) {
	return nil, errors.New("SQLite: the program was built with the tag nosqlite, which leaves it out")
}
