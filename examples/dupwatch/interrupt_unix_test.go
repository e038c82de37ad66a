//go:build unix

package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASignalEndsThePassAtOnceAndWithoutATable(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} { // holes, which take long to hash and no space
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		require.NoError(t, os.Truncate(path, 8<<30))
	}
	guard := make(chan os.Signal, 1) // the test survives what comes when the app does not listen
	signal.Notify(guard, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(guard)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		var out, log buffer
		code := make(chan int)
		go func() { code <- run([]string{"-once", "-dir", dir, "-listen", "", "-hashers", "2"}, &out, &log) }()
		require.Eventually(t, func() bool { return log.String() != "" }, time.Minute, time.Millisecond)

		began := time.Now()
		require.Equal(t, exitInterrupted, signalUntilDone(t, sig, code))

		require.Less(t, time.Since(began), stopTimeout)
		require.Empty(t, out.String())
		require.NotContains(t, log.String(), "did not stop")
		require.NotContains(t, log.String(), "skipped error", "a stop is not the file's fault")
	}
}

// signalUntilDone repeats the signal, for the app may just have begun to run and not to listen.
func signalUntilDone(t *testing.T, sig syscall.Signal, code <-chan int) int {
	t.Helper()
	repeat := time.NewTicker(20 * time.Millisecond)
	defer repeat.Stop()
	for {
		require.NoError(t, syscall.Kill(os.Getpid(), sig))
		select {
		case c := <-code:
			return c
		case <-repeat.C:
		}
	}
}

func TestAFileThatBecameANamedPipeIsSkippedAndNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a": "text", "b": "text"})
	pipe := filepath.Join(dir, "a")
	open := func(path string) (*os.File, error) {
		if path == pipe {
			require.NoError(t, os.Remove(pipe))
			require.NoError(t, syscall.Mkfifo(pipe, 0o600))
		}
		return openFile(path)
	}

	code, out, log := runOnceWith(t, dir, open)

	require.Zero(t, code, log)
	require.Contains(t, out, pipe+": is no longer a regular file\n")
}
