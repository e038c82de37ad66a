//go:build nosqlite

// Package sqlite stands in for SQLite in a program that leaves it out.
package sqlite

import (
	"database/sql"
	"errors"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// New fails, as the program was built without SQLite.
func New(string, *sql.DB) (database.Database, error) {
	return nil, errors.New("SQLite: the program was built with the tag nosqlite, which leaves it out")
}
