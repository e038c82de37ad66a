package queue_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// newSmallDisk mounts a small disk in memory, or skips the test if that is not allowed.
func newSmallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a small disk cannot be mounted (only root may do it): %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fillDisk returns functions that fill a small disk, and that make room again.
func fillDisk(t *testing.T, dir string) (fill, free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	fill = func() {
		file, err := os.Create(ballast)
		require.NoError(t, err)
		defer file.Close()
		for block := make([]byte, 1<<10); err == nil; {
			_, err = file.Write(block)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
	}
	return fill, func() { require.NoError(t, os.Remove(ballast)) }
}
