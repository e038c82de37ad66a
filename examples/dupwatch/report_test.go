package main

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

func TestProgressIsLoggedEverySecondUntilTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchFilesThatWait(t, 2)

		time.Sleep(3*time.Second + time.Millisecond)
		require.Equal(t, 3, strings.Count(w.log.String(), `"hashed":0,"read":"0 B","skipped":0,"message":"working"`), w.log.String())
		require.Empty(t, w.out.String())

		close(w.release)
		time.Sleep(10 * time.Second)
		require.Equal(t, "3.001s", total(t, w.out.String(), "time taken"))
		require.NoError(t, w.pool.Stop(t.Context()))
		require.Equal(t, 3, strings.Count(w.log.String(), `"working"`), w.log.String())
		require.NotContains(t, w.log.String(), "interrupted")
	})
}

func TestAPassThatIsCutShortHasNoTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchFilesThatWait(t, 2)
		time.Sleep(time.Millisecond)
		require.NotContains(t, w.log.String(), "interrupted")

		stopped := make(chan error)
		go func() { stopped <- w.pool.Stop(t.Context()) }()
		synctest.Wait()
		require.Contains(t, w.log.String(), "interrupted, the pass is not complete")
		close(w.release)
		require.NoError(t, <-stopped)

		require.Empty(t, w.out.String())
	})
}

func TestAPassThatIsCutShortAfterItsLastFileHasATableOrIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchFilesThatWait(t, 2)
		time.Sleep(time.Millisecond)
		close(w.release)
		synctest.Wait() // the results wait for the batch to be full

		require.NoError(t, w.pool.Stop(t.Context()))

		interrupted := strings.Contains(w.log.String(), "interrupted, the pass is not complete")
		require.NotEqual(t, interrupted, strings.Contains(w.out.String(), "time taken:"))
	})
}

func TestHashersAreAsManyAsThereAreFilesUpToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchFilesThatWait(t, 5)
		hashers := func() (n int) {
			for _, e := range w.pool.Executions() {
				if e.Worker == "dupwatch/hash" && e.Status == workerfx.StatusRunning {
					n++
				}
			}
			return n
		}
		require.LessOrEqual(t, hashers(), 3)

		time.Sleep(time.Second)
		require.Equal(t, 3, hashers())
		require.EqualValues(t, 3, w.opened.Load())

		close(w.release)
		time.Sleep(30 * time.Second)
		require.Equal(t, 1, hashers())
		require.Equal(t, "5", total(t, w.out.String(), "files hashed"))
		require.NoError(t, w.pool.Stop(t.Context()))
	})
}

func TestAHasherThatIsRestartedLosesNoFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watchFilesThatWait(t, 5)
		time.Sleep(time.Second)
		restarted := make(chan error)
		go func() { restarted <- w.pool.Restart("dupwatch/hash") }()
		synctest.Wait()
		close(w.release)
		require.NoError(t, <-restarted)

		time.Sleep(time.Second)
		require.Equal(t, "5", total(t, w.out.String(), "files hashed"))
		require.NoError(t, w.pool.Stop(t.Context()))
	})
}

func TestATableThatCannotBeWrittenIsAnError(t *testing.T) {
	d := newTestDupwatch("", brokenPipe{})
	require.ErrorIs(t, d.report(t.Context(), []result{{pass: newPass(t.Context(), 1), total: 1}}), errBrokenPipe)
}

// watch is a pool that runs dupwatch on a few files, which it opens once release is closed.
type watch struct {
	pool     *workerfx.Pool
	release  chan struct{}
	opened   atomic.Int64 // files, or tried to
	out, log buffer
}

func watchFilesThatWait(t *testing.T, files int) *watch {
	t.Helper()
	dir := t.TempDir()
	for i := range files {
		write(t, dir, map[string]string{fmt.Sprint(i): "text"})
	}
	w := &watch{release: make(chan struct{})}
	d := newTestDupwatch(dir, &w.out)
	d.open = func(path string) (*os.File, error) {
		w.opened.Add(1)
		<-w.release
		return openFile(path)
	}
	var err error
	w.pool, err = workerfx.NewPool(workerfx.WithLogger(zerolog.New(&w.log)))
	require.NoError(t, err)
	require.NoError(t, w.pool.AddGroup(d))
	require.NoError(t, w.pool.Start(t.Context()))
	return w
}
