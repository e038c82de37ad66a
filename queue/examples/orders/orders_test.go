package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/fxtest"
	"github.com/workerfx/workerfx/queue/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestEachOrderIsConfirmedOnce(t *testing.T) {
	for name, flags := range map[string][]string{"database/sql": nil, "bun": {"-bun"}} {
		t.Run(name, func(t *testing.T) {
			var out, log bytes.Buffer
			args := append([]string{"-db", pgtest.NewDatabase(t)}, flags...)
			require.Zero(t, run(t.Context(), append(args, "Ada", "Bob"), &out, &log), log.String())
			require.Equal(t, "order 1 of Ada: 1 confirmations\norder 2 of Bob: 1 confirmations\n", out.String())
			require.Empty(t, log.String())
		})
	}
}

func TestNothingIsEnqueuedForAnOrderThatFails(t *testing.T) {
	var s *shop
	a := fxtest.New(t, app(config{url: pgtest.NewDatabase(t), bun: true}, zerolog.Nop()), fx.Populate(&s))
	a.RequireStart()
	boom := errors.New("boom")
	err := s.bun.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		require.NoError(t, s.placeWithBun(ctx, tx, "Ada"))
		return boom
	})
	require.ErrorIs(t, err, boom)
	counts, err := s.jobs.Counts(t.Context())
	require.NoError(t, err)
	require.Empty(t, counts)
	var out bytes.Buffer
	require.NoError(t, s.print(t.Context(), &out))
	require.Empty(t, out.String())
}

func TestBadFlagIsExitCode2(t *testing.T) {
	var out, log bytes.Buffer
	require.Equal(t, 2, run(t.Context(), []string{"-no"}, &out, &log))
}
