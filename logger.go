package workerfx

import (
	"os"

	"github.com/rs/zerolog"
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

// lastResort is where a pool without a logger says what must not stay unseen: on stderr, and only errors.
func lastResort() zerolog.Logger {
	return zerolog.New(os.Stderr).Level(zerolog.ErrorLevel).With().Timestamp().Logger()
}

// journal writes the log lines of a pool and its workers. A log sink that panics does not reach the caller.
type journal struct {
	zerolog.Logger

	sparse bool // without a logger of the app: a worker that panics all the time is not worth a line each time
}

func newJournal(logger *zerolog.Logger, pool string) journal {
	j := journal{sparse: logger == nil}
	if logger != nil {
		j.Logger = *logger
	} else {
		j.Logger = lastResort()
	}
	if pool != "" {
		j.Logger = j.With().Str(fieldPool, pool).Logger()
	}
	return j
}

// line writes one line, with what fill adds, if its level is enabled.
func (j *journal) line(level zerolog.Level, message string, fill func(*zerolog.Event)) {
	defer func() { _ = recover() }() // a broken sink must not break the pool
	if e := j.WithLevel(level); e != nil {
		fill(e)
		e.Msg(message)
	}
}

// runStarted says that a replica's run began.
func (j *journal) runStarted(s *supervisor) {
	if !j.enabled(zerolog.DebugLevel) {
		return
	}
	j.line(zerolog.DebugLevel, "worker started", s.logFields)
}

// runEnded says how a replica's run ended and what follows.
func (j *journal) runEnded(s *supervisor, o outcome, next step, asked bool) {
	level, message := zerolog.DebugLevel, "worker succeeded"
	switch {
	case o.kind == obeyed && asked || next.status == StatusStopped:
		message = "worker stopped"
	case next.retry:
		level, message = zerolog.WarnLevel, "worker failed, it will run again"
	case next.tick && !o.isGood() && o.kind != skipped:
		level, message = zerolog.ErrorLevel, "worker failed, it will run again at its next tick"
	case next.status == StatusError:
		level, message = zerolog.ErrorLevel, "worker failed"
	}
	if o.panicked && next.retry && j.worthALine(s.history.failures) {
		level = zerolog.ErrorLevel
	}
	if !j.enabled(level) {
		return
	}
	j.line(level, message, func(e *zerolog.Event) {
		s.logFields(e)
		if o.err != nil {
			e.Str(zerolog.ErrorFieldName, o.text)
		}
		if o.panicked {
			e.Bytes(fieldStack, stackOf(o.err))
		}
		if next.retry {
			e.Stringer("retryIn", next.pause)
		}
	})
}

// brokenHook says that code of the user's beside the worker itself misbehaved, and is done without. why
// is what it panicked with, nil if it ended the goroutine.
func (j *journal) brokenHook(s *supervisor, hook string, why any) {
	how := "ended the goroutine"
	if why != nil {
		how = panicText(why)
	}
	j.line(zerolog.ErrorLevel, "worker's "+hook+" is broken and not asked again", func(e *zerolog.Event) {
		s.logFields(e)
		e.Str(zerolog.ErrorFieldName, how)
	})
}

// worthALine thins out the lines about failures in a row where nobody asked for lines: 1, 2, 4, 8 and so on.
func (j *journal) worthALine(failures int) bool {
	return !j.sparse || failures&(failures-1) == 0
}

func (j *journal) enabled(level zerolog.Level) bool {
	return level >= j.GetLevel() && level >= zerolog.GlobalLevel()
}

// logFields says which run a line is about.
func (s *supervisor) logFields(e *zerolog.Event) {
	if run := s.report.run; run != nil {
		run.logFields(e)
		return
	}
	e.Str(fieldWorker, s.name)
	s.logReplica(e)
}

func (c *runContext) logFields(e *zerolog.Event) {
	e.Str(fieldWorker, c.s.name).Str(fieldExecutionID, c.id).Int(fieldAttempt, c.attempt)
	c.s.logReplica(e)
}

func (s *supervisor) logReplica(e *zerolog.Event) {
	if s.replica > 0 {
		e.Int(fieldReplica, int(s.replica))
	}
}

// lost says that a replica does not begin, as a worker that it comes after has failed for good.
func (j *journal) lost(s *supervisor, before *member) {
	j.line(zerolog.ErrorLevel, "worker does not start: it comes after one that failed", func(e *zerolog.Event) {
		s.logFields(e)
		e.Str("after", before.name)
	})
}

// stuck says where a run hangs that gives no sign of life.
func (j *journal) stuck(run *runContext, err error, stack string) {
	j.line(zerolog.ErrorLevel, "worker is stuck", func(e *zerolog.Event) {
		run.logFields(e)
		e.Str(zerolog.ErrorFieldName, err.Error()).Str(fieldStack, stack)
	})
}

// disbanded says that the others of a replica's team stop for good, because it failed for good or peer did
// not stop.
func (j *journal) disbanded(s *supervisor, peer *supervisor) {
	j.line(zerolog.ErrorLevel, "worker failed, its group stops", func(e *zerolog.Event) {
		s.logFields(e)
		if peer != nil {
			e.Str("didNotStop", replicaName(peer.name, int(peer.replica)))
		}
	})
}

// itemsLeft says that items which were received are not handled any more, unless somebody restarts the worker.
func (j *journal) itemsLeft(run *runContext, items int) {
	j.line(zerolog.ErrorLevel, "worker ended with items that were not handled", func(e *zerolog.Event) {
		run.logFields(e)
		e.Int("items", items)
	})
}

// poolStarted says how many workers run, and which the configuration keeps out.
func (j *journal) poolStarted(workers int, excluded []string) {
	j.line(zerolog.InfoLevel, "worker pool started", func(e *zerolog.Event) {
		e.Int("workers", workers)
		if len(excluded) > 0 {
			e.Strs("excluded", excluded)
		}
	})
}

// poolStopped says that all workers have stopped.
func (j *journal) poolStopped() {
	j.line(zerolog.InfoLevel, "worker pool stopped", func(*zerolog.Event) {})
}

// essentialEnded says why the pool stops.
func (j *journal) essentialEnded(worker string, err error) {
	j.line(zerolog.ErrorLevel, "essential worker is done, the pool stops", func(e *zerolog.Event) {
		e.Str(fieldWorker, worker).Str(zerolog.ErrorFieldName, oneLine(err.Error()))
	})
}

// stragglers says where each worker hangs that did not stop.
func (j *journal) stragglers(err *StopError) {
	for _, s := range err.Stragglers {
		j.line(zerolog.ErrorLevel, "worker did not stop in time", func(e *zerolog.Event) {
			e.Str(fieldWorker, s.Worker).Int(fieldReplica, s.Replica).Str(fieldStack, s.Stack)
		})
	}
}

// brokenGenerator says that the ID generator misbehaved, and was done without.
func (j *journal) brokenGenerator(value any) {
	how := "returned no ID, or ended the goroutine"
	if value != nil {
		how = panicText(value)
	}
	j.line(zerolog.ErrorLevel, "ID generator is broken, an xid takes its place", func(e *zerolog.Event) {
		e.Str(zerolog.ErrorFieldName, cut(how, maxText))
	})
}
