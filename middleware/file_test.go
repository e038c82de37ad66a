package middleware_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/middleware"
)

// holderEnv makes the test binary a process that holds a lock: its value is the directory.
const holderEnv = "WORKERFX_TEST_LOCK_HOLDER"

// holdLock takes the lock "key", says so, and holds it until the process is killed.
func holdLock(dir string) {
	if _, err := middleware.NewFileLocker(dir).Lock(context.Background(), "key"); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("held\n")
	select {}
}

func TestFileLockIsHeldByOneProcessAndFreeWhenItDies(t *testing.T) {
	dir := t.TempDir()
	holder := exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), holderEnv+"="+dir)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	said := make([]byte, 5)
	_, err = out.Read(said)
	require.NoError(t, err)

	locker := middleware.NewFileLocker(dir)
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = locker.Lock(short, "key")
	require.ErrorIs(t, err, context.DeadlineExceeded, "another process holds it")
	other, err := locker.Lock(t.Context(), "another key")
	require.NoError(t, err)
	require.NoError(t, other.Unlock(t.Context()))

	require.NoError(t, holder.Process.Kill())
	_ = holder.Wait()
	lock, err := locker.Lock(t.Context(), "key")
	require.NoError(t, err)
	require.Nil(t, lock.Lost())
	require.NoError(t, lock.Unlock(t.Context()))
	require.ErrorContains(t, lock.Unlock(t.Context()), `lock "key" is already unlocked`)
}

func TestFileLockIsHeldByOneGoroutineOfAProcess(t *testing.T) {
	dir := t.TempDir()
	lock, err := middleware.NewFileLocker(dir).Lock(t.Context(), "key")
	require.NoError(t, err)
	taken := make(chan error, 1)
	go func() {
		second, err := middleware.NewFileLocker(dir).Lock(t.Context(), "key")
		if err == nil {
			err = second.Unlock(t.Context())
		}
		taken <- err
	}()
	select {
	case <-taken:
		t.Fatal("two hold the lock")
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, lock.Unlock(t.Context()))
	require.NoError(t, <-taken)
}

func TestNamesOfFileLocksAreSafeAndDoNotMeet(t *testing.T) {
	dir := t.TempDir()
	locker := middleware.NewFileLocker(dir)
	for _, key := range []string{"", "a/b", "a_b", "A_B", "../../etc", strings.Repeat("long", 200), "con", "ü\x00\n"} {
		lock, err := locker.Lock(t.Context(), key) // all are held at the same time
		require.NoError(t, err, "%q", key)
		t.Cleanup(func() { _ = lock.Unlock(context.Background()) })
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, files, 8)
}

func TestDirectoriesOfFileLocksAreChecked(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]string{
		"":                                `directory "": must not be empty`,
		file:                              "is not a directory",
		filepath.Join(file, "..", "gone"): "no such file or directory",
	} {
		_, err := middleware.NewFileLocker(dir).Lock(t.Context(), "key")
		require.ErrorContains(t, err, want)
	}
}
