package database

import "errors"

// Errors that package queue exports.
var (
	ErrNoJob        = errors.New("no such job")
	ErrLockLost     = errors.New("liveness lock was lost")
	ErrTakenOver    = errors.New("job was taken over by another process")
	ErrRefused      = errors.New("database answers, and refuses to work")
	ErrSchemaBehind = errors.New("database schema is behind")
)

// PermanentError is an error for which another try is useless.
type PermanentError struct{ Err error }

// Error is the text of the error within.
func (e PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the error within.
func (e PermanentError) Unwrap() error { return e.Err }
