//go:build unix

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx/examples/internal/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.Cleanup(program.Remove)) }

func TestHelloGreetsAtOnceAndAgainUntilItIsStopped(t *testing.T) {
	hello, err := program.Start()
	require.NoError(t, err)
	t.Cleanup(hello.Kill)

	_, err = hello.Await(t.Context(), `hello\nhello\n`)
	require.NoError(t, err)
	require.NoError(t, hello.Terminate())

	require.Zero(t, hello.Wait(), hello.Output())
	require.Regexp(t, `^(hello\n)+$`, hello.Output(), "it prints nothing else")
}
