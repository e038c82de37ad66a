package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
)

// Hooks are called for events of jobs in this process. Provide them with [ProvideHooks]. The order of several hooks
// is not defined. They are called from many goroutines at once, and the job waits for them. A nil hook is not
// called. A panic in a hook, or its runtime.Goexit, is logged and does not harm the job.
type Hooks struct {
	// OnLocked is called before a handler, with the handler's context.
	OnLocked func(ctx context.Context, job JobInfo)
	// OnDone is called after a handler, with nil, an error that wraps the handler's error, or a *[workerfx.PanicError].
	OnDone func(ctx context.Context, job JobInfo, err error)
	// OnUnknownKind is called for a job without a handler in this process. The attempt fails. Put jobs of other
	// processes into another queue.
	OnUnknownKind func(ctx context.Context, job JobInfo)
	// OnDiscard is called for a job that is given up: its attempts are used up, or it was discarded ([Discard]). It
	// is called before the job becomes a dead letter. If the process dies then, it may be called twice or not at
	// all: [Client.DeadLetters] has all of them.
	OnDiscard func(ctx context.Context, job JobInfo, err error)
}

// hookSet are all hooks of an app.
type hookSet []Hooks

func (s hookSet) locked(ctx context.Context, log *zerolog.Logger, job *JobInfo) {
	for _, h := range s {
		if h.OnLocked != nil {
			callHook(log, "OnLocked", func() { h.OnLocked(ctx, *job) })
		}
	}
}

func (s hookSet) done(ctx context.Context, log *zerolog.Logger, job *JobInfo, err error) {
	for _, h := range s {
		if h.OnDone != nil {
			callHook(log, "OnDone", func() { h.OnDone(ctx, *job, err) })
		}
	}
}

func (s hookSet) unknown(ctx context.Context, log *zerolog.Logger, job *JobInfo) {
	for _, h := range s {
		if h.OnUnknownKind != nil {
			callHook(log, "OnUnknownKind", func() { h.OnUnknownKind(ctx, *job) })
		}
	}
}

func (s hookSet) discarded(ctx context.Context, log *zerolog.Logger, job *JobInfo, err error) {
	for _, h := range s {
		if h.OnDiscard != nil {
			callHook(log, "OnDiscard", func() { h.OnDiscard(ctx, *job, err) })
		}
	}
}

// callHook calls a hook in a goroutine of its own, and logs its panic. A hook may end its goroutine (runtime.Goexit).
// If that were River's goroutine, River would never know that the job ended.
func callHook(log *zerolog.Logger, hook string, call func()) {
	var once handlerGoroutines
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
