package workerfx

import (
	"log/slog"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/safecall"
	"github.com/workerfx/workerfx/internal/slogwriter"
	"github.com/workerfx/workerfx/internal/text"
)

// The fields of every log line about a worker.
const (
	fieldWorker      = "worker"
	fieldExecutionID = "workerExecutionID"
	fieldReplica     = "replica"
	fieldAttempt     = "attempt"
	fieldPool        = "pool"
	fieldStack       = "stack"
)

// stderrLogger is the logger of a pool that was given none. It writes errors to stderr.
func stderrLogger() zerolog.Logger {
	return zerolog.New(os.Stderr).Level(zerolog.ErrorLevel).With().Timestamp().Logger()
}

// poolLog writes the log lines of a pool and its workers. A log sink that panics does not reach the caller.
type poolLog struct {
	zerolog.Logger

	slog    *slog.Logger // the lines go there; nil for others
	sampled bool         // log only some of many failures in a row, as the app gave no logger
}

func newPoolLog(logger *zerolog.Logger, pool string) poolLog {
	l := poolLog{sampled: logger == nil}
	if logger != nil {
		l.Logger = *logger
	} else {
		l.Logger = stderrLogger()
	}
	if pool != "" {
		l.Logger = l.With().Str(fieldPool, pool).Logger()
	}
	return l
}

// line writes one line, with the fields that fill adds, if its level is enabled.
func (l *poolLog) line(level zerolog.Level, message string, fill func(*zerolog.Event)) {
	defer func() { _ = recover() }() // a broken sink must not break the pool
	if e := l.WithLevel(level); e != nil {
		fill(e)
		e.Msg(message)
	}
}

// runStarted logs that a run began.
func (l *poolLog) runStarted(r *run) {
	if !l.enabled(zerolog.DebugLevel) {
		return
	}
	l.line(zerolog.DebugLevel, "worker started", func(e *zerolog.Event) { logRun(e, r) })
}

// endOfRun returns the level and the message of the line about the end of a run.
func (l *poolLog) endOfRun(r *run, o *outcome, v lifecycle.Verdict) (level zerolog.Level, message string) {
	level, message = zerolog.DebugLevel, "worker succeeded"
	switch {
	case v.Outcome == lifecycle.Obeyed && v.Asked || v.Status == lifecycle.Stopped:
		message = "worker stopped"
	case v.Retry:
		level, message = zerolog.WarnLevel, "worker failed, it will run again"
	case v.Tick && v.IsFailure():
		level, message = zerolog.ErrorLevel, "worker failed, it will run again at its next tick"
	case v.Status == lifecycle.Error:
		level, message = zerolog.ErrorLevel, "worker failed"
	}
	if o.panicked && v.Retry && l.isLogged(r.attempt) {
		level = zerolog.ErrorLevel
	}
	return level, message
}

// runEnded logs how a run ended and what follows: see endOfRun. pause is the time until the next attempt, if there is one.
func (l *poolLog) runEnded(level zerolog.Level, message string, r *run, o *outcome, retry bool, pause time.Duration) {
	if !l.enabled(level) {
		return
	}
	l.line(level, message, func(e *zerolog.Event) {
		logRun(e, r)
		if o.err != nil {
			e.Str(zerolog.ErrorFieldName, o.text)
		}
		if o.panicked {
			e.Bytes(fieldStack, stackOf(o.err))
		}
		if retry {
			e.Stringer("retryIn", max(pause, 0))
		}
	})
}

// brokenHook logs that a backoff or a schedule misbehaved and is not called again. why is the value of its panic,
// or nil if it ended the goroutine.
func (l *poolLog) brokenHook(r *replica, hook string, why any) {
	how := "ended the goroutine"
	if why != nil {
		how = safecall.PanicText(why)
	}
	l.line(zerolog.ErrorLevel, "worker's "+hook+" is broken and not asked again", func(e *zerolog.Event) {
		logFields(e, r, r.run)
		e.Str(zerolog.ErrorFieldName, how)
	})
}

// isLogged picks the failures in a row that a sampled log shows: 1, 2, 4, 8 and so on.
func (l *poolLog) isLogged(failures int) bool {
	return !l.sampled || failures&(failures-1) == 0
}

func (l *poolLog) enabled(level zerolog.Level) bool {
	return level >= l.GetLevel() && level >= zerolog.GlobalLevel() && (l.slog == nil || slogwriter.Enabled(l.slog, level))
}

// logFields adds the run that a line is about, or only the replica if it has had no run.
func logFields(e *zerolog.Event, r *replica, last *run) {
	if last != nil {
		logRun(e, last)
		return
	}
	e.Str(fieldWorker, r.name)
	logReplica(e, r)
}

func logRun(e *zerolog.Event, r *run) {
	e.Str(fieldWorker, r.replica.name).Str(fieldExecutionID, r.id).Int(fieldAttempt, r.attempt)
	logReplica(e, r.replica)
}

func logReplica(e *zerolog.Event, r *replica) {
	if r.index > 0 {
		e.Int(fieldReplica, int(r.index))
	}
}

// noted logs a note of [Pool.Note].
func (l *poolLog) noted(worker, message string) {
	l.line(zerolog.InfoLevel, "note", func(e *zerolog.Event) {
		if worker != "" {
			e.Str(fieldWorker, worker)
		}
		e.Str("note", message)
	})
}

// doesNotStart logs that a replica does not start, as a worker that it comes after has failed for good.
func (l *poolLog) doesNotStart(r *replica, last *run, before *entry) {
	l.line(zerolog.ErrorLevel, "worker does not start: it comes after one that failed", func(e *zerolog.Event) {
		logFields(e, r, last)
		e.Str("after", before.name)
	})
}

// stuck logs the stack of a run that is stuck.
func (l *poolLog) stuck(r *run, err error, stack string) {
	l.line(zerolog.ErrorLevel, "worker is stuck", func(e *zerolog.Event) {
		logRun(e, r)
		e.Str(zerolog.ErrorFieldName, err.Error()).Str(fieldStack, stack)
	})
}

// groupStopped logs that the others of a replica's group stop for good, as it failed for good or peer did not stop.
func (l *poolLog) groupStopped(r *replica, last *run, peer *replica) {
	l.line(zerolog.ErrorLevel, "worker failed, its group stops", func(e *zerolog.Event) {
		logFields(e, r, last)
		if peer != nil {
			e.Str("didNotStop", peer.displayName())
		}
	})
}

// unhandled logs that items were received and not handled. Only a restart of the worker would handle them.
func (l *poolLog) unhandled(r *replica, last *run, items int) {
	l.line(zerolog.ErrorLevel, "worker ended with items that were not handled", func(e *zerolog.Event) {
		logFields(e, r, last)
		e.Int("items", items)
	})
}

// poolStarted logs how many workers run, and which the configuration excludes.
func (l *poolLog) poolStarted(workers int, excluded []string) {
	l.line(zerolog.InfoLevel, "worker pool started", func(e *zerolog.Event) {
		e.Int("workers", workers)
		if len(excluded) > 0 {
			e.Strs("excluded", excluded)
		}
	})
}

// poolStopped logs that all workers have stopped.
func (l *poolLog) poolStopped() {
	l.line(zerolog.InfoLevel, "worker pool stopped", func(*zerolog.Event) {})
}

// essentialEnded logs why the pool stops.
func (l *poolLog) essentialEnded(worker string, err error) {
	l.line(zerolog.ErrorLevel, "essential worker is done, the pool stops", func(e *zerolog.Event) {
		e.Str(fieldWorker, worker).Str(zerolog.ErrorFieldName, text.OneLine(err.Error()))
	})
}

// stragglers logs the stack of each worker that did not stop.
func (l *poolLog) stragglers(err *StopError) {
	for _, s := range err.Stragglers {
		l.line(zerolog.ErrorLevel, "worker did not stop in time", func(e *zerolog.Event) {
			e.Str(fieldWorker, s.Worker).Int(fieldReplica, s.Replica).Str(fieldStack, s.Stack)
		})
	}
}

// brokenGenerator logs that the ID generator misbehaved and is not called again.
func (l *poolLog) brokenGenerator(value any) {
	how := "returned no ID, or ended the goroutine"
	if value != nil {
		how = safecall.PanicText(value)
	}
	l.line(zerolog.ErrorLevel, "ID generator is broken, an xid takes its place", func(e *zerolog.Event) {
		e.Str(zerolog.ErrorFieldName, text.Cut(how, text.MaxText))
	})
}
