package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// Hooks are told what happens to jobs in this process. Provide them with [ProvideHooks]; several are told in
// no particular order, from many goroutines at once, and the job waits for them. A nil hook is left out. A
// panic in a hook, or its runtime.Goexit, is logged, and does not reach the job.
type Hooks struct {
	// OnLocked is called before a handler, with the context that it is then given.
	OnLocked func(ctx context.Context, job JobInfo)
	// OnDone is called after a handler, with nil, an error that wraps what it returned, or a *[workerfx.PanicError].
	OnDone func(ctx context.Context, job JobInfo, err error)
	// OnUnknownKind is called for a job that this process has no handler for. The attempt fails: a job that
	// another process should do belongs into a queue of its own.
	OnUnknownKind func(ctx context.Context, job JobInfo)
	// OnDiscard is called for a job that is given up: its attempts are used up, or it was discarded ([Discard]).
	// It is called before the job is among the dead letters, and in rare cases (the process dies) twice or
	// not at all; whoever must not miss one asks [Client.DeadLetters].
	OnDiscard func(ctx context.Context, job JobInfo, err error)
}

// hookSet are all hooks of an app.
type hookSet []Hooks

func (s hookSet) locked(ctx context.Context, log *zerolog.Logger, job JobInfo) {
	for _, h := range s {
		if h.OnLocked != nil {
			guard(log, "OnLocked", func() { h.OnLocked(ctx, job) })
		}
	}
}

func (s hookSet) done(ctx context.Context, log *zerolog.Logger, job JobInfo, err error) {
	for _, h := range s {
		if h.OnDone != nil {
			guard(log, "OnDone", func() { h.OnDone(ctx, job, err) })
		}
	}
}

func (s hookSet) unknown(ctx context.Context, log *zerolog.Logger, job JobInfo) {
	for _, h := range s {
		if h.OnUnknownKind != nil {
			guard(log, "OnUnknownKind", func() { h.OnUnknownKind(ctx, job) })
		}
	}
}

func (s hookSet) discarded(ctx context.Context, log *zerolog.Logger, job JobInfo, err error) {
	for _, h := range s {
		if h.OnDiscard != nil {
			guard(log, "OnDiscard", func() { h.OnDiscard(ctx, job, err) })
		}
	}
}

// guard keeps a panic of the user's code away from the job. It calls in a goroutine of its own, so that one that ends it
// (runtime.Goexit, as the FailNow of a test) does not end River's, which would never hear of the job's end.
func guard(log *zerolog.Logger, hook string, call func()) {
	var once callers
	err := once.call(func() error {
		call()
		return nil
	})
	if panicked, ok := errors.AsType[*workerfx.PanicError](err); ok {
		log.Error().Str("hook", hook).Str(zerolog.ErrorFieldName, fmt.Sprint(panicked.Value)).Msg("queue hook panicked")
	} else if err != nil {
		log.Error().Str("hook", hook).Err(err).Msg("queue hook ended its goroutine")
	}
}
