package safecall_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/safecall"
)

// validator is a value whose method Validate is the function.
type validator func() error

func (v validator) Validate() error { return v() }

func TestValidateMayPanic(t *testing.T) {
	boom := errors.New("boom")
	require.NoError(t, safecall.Validate(1))
	require.NoError(t, safecall.Validate(validator(func() error { return nil })))
	require.ErrorIs(t, safecall.Validate(validator(func() error { return boom })), boom)
	require.EqualError(t, safecall.Validate(validator(func() error { panic(boom) })), "its method Validate: panic: boom")
}
