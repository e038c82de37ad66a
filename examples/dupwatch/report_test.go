package main

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestProgressIsLoggedEverySecondUntilTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, log buffer
		d := newTestDupwatch("", &out)
		ctx, stop := context.WithCancel(zerolog.New(&log).WithContext(t.Context()))
		go d.report(ctx)
		p := newPass(7)
		d.toReport <- p
		p.hashedFiles.Add(3)

		time.Sleep(3*time.Second + time.Millisecond)
		require.Equal(t, 3, strings.Count(log.String(), `"hashed":3,"read":"0 B","skipped":0,"message":"working"`), log.String())
		require.Empty(t, out.String())

		close(p.results)
		<-p.reported
		require.Equal(t, "3.001s", total(t, out.String(), "time taken"))
		stop()
		synctest.Wait()
		require.NotContains(t, log.String(), "interrupted")
	})
}

func TestAPassThatIsCutShortHasNoTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, log buffer
		d := newTestDupwatch("", &out)
		ctx, stop := context.WithCancel(zerolog.New(&log).WithContext(t.Context()))
		hashCtx, stopHash := context.WithCancel(ctx)
		go d.hash(hashCtx)
		go d.report(ctx)
		p := newPass(1)
		d.toHash <- p
		d.toReport <- p

		stopHash() // workers are not stopped at the same instant
		synctest.Wait()
		require.NotContains(t, log.String(), "interrupted")
		stop()
		synctest.Wait()

		require.Contains(t, log.String(), "interrupted, the pass is not complete")
		require.Empty(t, out.String())
	})
}

func TestATableThatCannotBeWrittenIsAnError(t *testing.T) {
	d := newTestDupwatch("", nil)
	d.table = table{brokenPipe{}}
	p := newPass(1)
	close(p.results)
	go func() { d.toReport <- p }()

	require.ErrorIs(t, d.report(t.Context()), errBrokenPipe)
}
