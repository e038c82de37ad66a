package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestTwoWorkersMakeAllThumbnails(t *testing.T) {
	const n = 20
	dir := t.TempDir()
	in, out, db := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "jobs.db")
	require.NoError(t, os.Mkdir(in, 0o750))
	for i := range n {
		picture := image.NewRGBA(image.Rect(0, 0, 300, 200))
		picture.Set(i, i, color.White)
		file, err := os.Create(filepath.Join(in, fmt.Sprintf("%d.png", i)))
		require.NoError(t, err)
		require.NoError(t, png.Encode(file, picture))
		require.NoError(t, file.Close())
	}
	require.NoError(t, os.WriteFile(filepath.Join(in, "broken.png"), []byte("no picture"), 0o600))

	var said bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-db", db, "enqueue", in}, &said, &said))
	require.NoError(t, run(t.Context(), []string{"-db", db, "enqueue", in}, &said, &said))
	require.Equal(t, fmt.Sprintf("%d pictures enqueued\n0 pictures enqueued\n", n+1), said.String())
	var workers errgroup.Group
	logs := make([]bytes.Buffer, 2)
	for i := range logs {
		workers.Go(func() error {
			return run(t.Context(), []string{"-db", db, "-out", out, "-size", "30", "-once", "work"}, &logs[i], &logs[i])
		})
	}
	require.NoError(t, workers.Wait())
	for i := range n {
		file, err := os.Open(filepath.Join(out, fmt.Sprintf("%d.png", i)))
		require.NoError(t, err)
		picture, err := png.Decode(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, image.Rect(0, 0, 30, 20), picture.Bounds())
	}
	require.Contains(t, logs[0].String()+logs[1].String(), "job discarded")
}

func TestBadCommandLinesAreRefused(t *testing.T) {
	var said bytes.Buffer
	require.ErrorContains(t, run(t.Context(), []string{"play"}, &said, &said), "want the command")
	require.ErrorContains(t, run(t.Context(), []string{"-db", "", "work"}, &said, &said), "the path is empty")
}
