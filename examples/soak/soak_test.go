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
		v, progress := soaked(t, kinds, "-workers", "60", "-for", "2m", "-every", "2s", "-commands", "20")

		require.False(t, v.failed(), "%s", written(v))
		require.Regexp(t, ` commands \d\d`, progress)
		for _, what := range []string{"items lost", "ticks doubled", "runs begun after Stop", "live heap", "items in hand"} {
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
			}}, "workers whose runs, panics or jobs are miscounted", `^1 of 4$`,
		},
		"command that cannot be carried out": {
			kind{
				commands: []command{func(_ context.Context, o *operator, t *target) error { return o.pool.Scale(t.name, -1) }},
				make:     func(*unit) []post { return alone(untilStopped) },
			}, "commands not carried out", `^[\d,]+ of [\d,]+$`,
		},
		"begins before others are ready": {
			kind{make: func(u *unit) []post {
				posts := newChain(u)
				posts[1].options = restless(workerfx.WithReadiness())
				return posts
			}}, "workers begun or stopped out of command", `^[1-9] of 2 begun, 2 stopped$`,
		},
		"stops after others": {
			kind{make: func(u *unit) []post {
				posts := newChain(u)
				for i := range posts {
					posts[i].run = late(posts[i].run)
					posts[i].options = restless(workerfx.WithDeferredStart(time.Duration(i) * time.Second))
				}
				return posts
			}}, "workers begun or stopped out of command", `^[1-9] of 2 begun, 2 stopped$`,
		},
		"not ready with the app": {
			kind{make: func(u *unit) []post {
				posts := newChain(u)
				posts[0].options = restless(workerfx.WithDeferredStart(time.Second))
				posts[1].options = restless(workerfx.WithDeferredStart(time.Second))
				return posts
			}}, "workers that were not ready when the app was", `^2 of 2$`,
		},
		"hangs unnoticed": {
			kind{make: func(u *unit) []post {
				return alone(u.beat, restless()...)
			}}, "hung runs not ended, or not followed by another", `^1 of 0$`,
		},
		"is ended though it lives": {
			kind{make: func(u *unit) []post {
				u.hangs.watch(u.name)
				return alone(u.beat, restless(workerfx.WithHeartbeat(200*time.Millisecond, workerfx.RestartStuck))...)
			}}, "hangs not told, or told twice or for no reason", `^[\d,]+ of [\d,]+`,
		},
		"takes no notice of draining": {
			kind{make: func(u *unit) []post {
				d := &drainer{stream: newStream(u)}
				d.body = func(ctx context.Context) error {
					if ctx.Done() == nil { // after the stop
						return d.consume(ctx)
					}
					item := <-d.items
					<-ctx.Done()
					d.cutShort(ctx, []int64{item})
					return ctx.Err()
				}
				return d.posts(1)
			}}, "items in hand that a stop cut short", `^1 of 0`,
		},
		"runs on beside its group's restart": {
			kind{make: newFailureGroup(workerfx.OneForAll), group: sharing(workerfx.OneForOne)},
			"old runs beside a restart in their group", `^[1-9]\d* in [1-9]\d* restarts$`,
		},
		"stops with others of its group": {
			kind{make: newFailureGroup(workerfx.RestForOne), group: sharing(workerfx.OneForAll)},
			"workers stopped for no failure in their group", `^[1-9]\d* of [1-9]\d*$`,
		},
		"does not stop with its group": {
			kind{make: func(u *unit) []post {
				posts := newFailureGroup(workerfx.OneForAll)(u)
				posts[0].run = func(context.Context) error {
					time.Sleep(time.Minute)
					return nil
				}
				return posts
			}, group: sharing(workerfx.OneForAll)}, "workers done as their group did not stop", `^[1-9]\d* of 4$`,
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

				v, _ := soaked(t, []kind{c.kind}, "-workers", "1", "-for", "40s", "-every", "1s")
				time.Sleep(time.Minute) // until the workers that did not stop are gone, too

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

		require.InDelta(t, time.Minute, s.watched.took, float64(time.Second), "but for the start")
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

// late makes a run go on for a while after it was asked to end.
func late(run workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		defer time.Sleep(time.Second)
		return run(ctx)
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
