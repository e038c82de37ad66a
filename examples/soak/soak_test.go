package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/goleak"

	"github.com/workerfx/workerfx"
	_ "github.com/workerfx/workerfx/fxtest" // for apps in bubbles
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSoakOfAllKindsPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, progress := soaked(t, kinds, "-workers", "60", "-for", "2m", "-every", "2s", "-orders", "20")

		require.False(t, v.failed(), "%s", written(v))
		require.Regexp(t, ` orders \d\d`, progress)
		for _, what := range []string{"items lost", "ticks doubled", "runs begun after Stop", "live heap"} {
			require.Equal(t, pass, lineOf(t, v, what).says)
		}
		require.NotRegexp(t, `of 0\b`, written(v), "nothing to judge by")
		require.NotRegexp(t, ` 0 (runs|failed|panicked|after)`, v.title)
	})
}

func TestSoakOnTheRealClock(t *testing.T) {
	var out, progress strings.Builder

	code := run([]string{"-workers", "100", "-for", "1500ms", "-every", "500ms"}, kinds, &out, &progress)

	require.Zero(t, code, out.String()+progress.String())
	require.Regexp(t, `items lost +0 of [1-9]`, out.String())
	require.Regexp(t, `live heap +only \d medians of 5 samples after the warm-up +-\n`, out.String())
	require.True(t, strings.HasSuffix(out.String(), "\nPASS\n"))
}

func TestSoakWithABrokenWorkerFails(t *testing.T) {
	cases := map[string]struct {
		kind  kind
		fails string
		found string
	}{
		"item swallowed": {
			kind{make: tampered(func(s *stream, item int64) {
				if item != 3 {
					s.wasHandled(item)
				}
			})}, "items lost", `^1 of \d+`,
		},
		"item handled again": {
			kind{make: tampered(func(s *stream, item int64) {
				s.wasHandled(item)
				if item == 3 {
					s.wasHandled(item)
				}
			})}, "items handled well twice", `^1 of \d+`,
		},
		"left over": {
			kind{make: func(u *unit) []post {
				s := newStream(u)
				s.body = workerfx.FromChannel(s.items, func(context.Context, int64) error { return errMishap })
				return s.posts(1)
			}}, "streams that did not hand over what was left", `^1 of 1 `,
		},
		"ticks that are none": {
			kind{make: func(u *unit) []post {
				u.steady[u.name] = time.Second
				return alone(func(context.Context) error { return nil }, workerfx.WithInterval(400*time.Millisecond))
			}}, "ticks doubled, or missed and not reported", `^\d+ of `,
		},
		"does not stop": {
			kind{make: func(u *unit) []post {
				return alone(func(ctx context.Context) error {
					<-ctx.Done()
					time.Sleep(time.Minute)
					return nil
				})
			}}, "stop within its budget", `, of 15s$`,
		},
		"more runs than the metrics say": {
			kind{make: func(u *unit) []post {
				return alone(func(ctx context.Context) error {
					u.tracker.of(u.name).begun.Add(1)
					return untilStopped(ctx)
				})
			}}, "workers whose runs, panics or jobs are miscounted", `^1 of 3$`,
		},
		"order that cannot be carried out": {
			kind{
				orders: []order{func(_ context.Context, o *operator, t *target) error { return o.pool.Scale(t.name, -1) }},
				make:   func(*unit) []post { return alone(untilStopped) },
			}, "orders not carried out", `^[\d,]+ of [\d,]+$`,
		},
		"goroutines that nobody needs": {
			kind{make: func(*unit) []post {
				return alone(func(ctx context.Context) error {
					for range 100 {
						go func() { <-ctx.Done() }()
					}
					return untilStopped(ctx)
				})
			}}, "goroutines beyond one a replica", `^10\d to 10\d, of 50$`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.kind.name, c.kind.share, c.kind.size = "broken", 100, 1

				v, _ := soaked(t, []kind{c.kind}, "-workers", "1", "-for", "9s", "-every", "1s")
				time.Sleep(time.Minute) // until those who did not stop are gone, too

				require.True(t, v.failed())
				l := lineOf(t, v, c.fails)
				require.Equal(t, fail, l.says, written(v))
				require.Regexp(t, c.found, l.found)
			})
		})
	}
}

func TestSoakEndsEarlyWithAVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := parseFlags([]string{"-workers", "12"}, t.Output())
		require.NoError(t, err)
		s := newSoak(c)
		var shutdown fx.Shutdowner
		app := fx.New(s.app(kinds), fx.Populate(&shutdown))
		time.AfterFunc(time.Minute, func() { _ = shutdown.Shutdown() })

		require.NoError(t, s.run(app, t.Output()))

		require.Equal(t, time.Minute, s.watched.took)
		require.False(t, s.verdict().failed(), written(s.verdict()))
	})
}

func TestAppThatDoesNotStartIsAnError(t *testing.T) {
	var out, log strings.Builder
	twice := []kind{{name: "twin", share: 50, size: 1, make: newErrand}, {name: "twin", share: 50, size: 1, make: newErrand}}

	code := run([]string{"-workers", "2"}, twice, &out, &log)

	require.Equal(t, exitFailure, code)
	require.Empty(t, out.String())
	require.Contains(t, log.String(), "twin/0000")
}

// soaked runs a soak, and returns the verdict and the lines of progress.
func soaked(t *testing.T, kinds []kind, args ...string) (v *verdict, progress string) {
	t.Helper()
	var lines strings.Builder
	c, err := parseFlags(args, &lines)
	require.NoError(t, err)
	s := newSoak(c)
	require.NoError(t, s.run(fx.New(s.app(kinds)), &lines))
	return s.verdict(), lines.String()
}

// tampered makes a stream whose items are handled otherwise.
func tampered(handle func(s *stream, item int64)) func(u *unit) []post {
	return func(u *unit) []post {
		s := newStream(u)
		s.body = workerfx.FromChannel(s.items, func(_ context.Context, item int64) error {
			handle(s, item)
			return nil
		})
		return s.posts(1)
	}
}

func untilStopped(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// lineOf returns the line of a verdict that begins so.
func lineOf(t *testing.T, v *verdict, what string) line {
	t.Helper()
	for _, l := range v.lines {
		if strings.HasPrefix(l.what, what) {
			return l
		}
	}
	require.Fail(t, "no such line", "%s", regexp.QuoteMeta(what))
	return line{}
}

func written(v *verdict) string {
	var text strings.Builder
	v.write(&text)
	return text.String()
}
