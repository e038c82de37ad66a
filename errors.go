package workerfx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/workerfx/workerfx/internal/text"
)

// Errors that a worker's Run may return.
var (
	// ErrDoNotRestart ends a worker: it is not run again. The bare error means success. Wrapped with a cause it
	// means failure.
	ErrDoNotRestart = errors.New("do not restart")
	// ErrSkip makes a run of a schedule count neither as a success nor as a failure. From a worker without a
	// schedule it is an ordinary error.
	ErrSkip = errors.New("skip this tick")
)

// Errors about runs.
var (
	// ErrStopping is the cause of a run's context ([context.Cause]) after the worker was asked to stop.
	ErrStopping = errors.New("worker is stopping")
	// ErrGoexit is the error of a run that ended its goroutine with [runtime.Goexit] (as testing's FailNow does).
	ErrGoexit = errors.New("run ended its goroutine (runtime.Goexit)")
	// ErrStuck is wrapped by the error of a run that missed its heartbeat or outlasted its timeout: see [WithHeartbeat].
	ErrStuck = errors.New("worker is stuck")
	// ErrExitedPrematurely says that an essential worker ended while the pool was up. The worker's own error is
	// joined to it.
	ErrExitedPrematurely = errors.New("essential worker exited prematurely")
)

// Errors of calls of a pool's methods.
var (
	// ErrUnknownWorker says that the pool has no worker of this name.
	ErrUnknownWorker = errors.New("unknown worker")
	// ErrDuplicateWorker says that the pool already has a worker of this name.
	ErrDuplicateWorker = errors.New("a worker of this name is already in the pool")
	// ErrPoolStarted is the error of a second Start.
	ErrPoolStarted = errors.New("pool is already started")
	// ErrPoolStopped is the error of calls after a stop of the pool, also if the pool never started.
	ErrPoolStopped = errors.New("pool is stopped")
	// ErrNotStarted is the error of calls that need a started pool.
	ErrNotStarted = errors.New("pool is not started")
	// ErrMinReplicas is the error of a Scale or Less below the worker's limit: see [WithReplicaLimits].
	ErrMinReplicas = errors.New("below the worker's smallest number of replicas")
	// ErrMaxReplicas is the error of a Scale or More above the worker's limit: see [WithReplicaLimits].
	ErrMaxReplicas = errors.New("above the worker's largest number of replicas")
)

// flaws collects what is wrong with a value that has several fields.
type flaws []string

func (f *flaws) addIf(bad bool, format string, args ...any) {
	if bad {
		*f = append(*f, fmt.Sprintf(format, args...))
	}
}

// err returns an error with all flaws, or nil.
func (f flaws) err() error {
	if len(f) == 0 {
		return nil
	}
	return errors.New(strings.Join(f, "; "))
}

// badValue returns an error about a setting. It names the worker, the field, the value and the reason.
func badValue(worker, field string, value any, why string) error {
	return fmt.Errorf("worker %q: %s %v: %s", text.Cut(worker, text.MaxName), field, value, why)
}
