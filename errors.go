package workerfx

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/workerfx/workerfx/internal/goroutines"
	"github.com/workerfx/workerfx/internal/names"
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

// StopError has the replicas that did not stop in time. It is an error of all calls that stop workers and wait for that,
// such as [Pool.Stop], [Pool.Run], [Pool.Remove], [Pool.Restart] and [RemoveChild].
type StopError struct {
	// Stragglers are sorted by worker, then by replica.
	Stragglers []Straggler
}

// Straggler is a replica that was asked to stop and did not stop in time.
type Straggler struct {
	Worker  string
	Replica int
	// Stack is the stack of the replica's goroutine. It is empty if it could not be found.
	Stack string
}

// String names the replica: "mailer", or "mailer#2" for its third replica.
func (s Straggler) String() string { return names.Replica(s.Worker, s.Replica) }

// Error names the stragglers, without their stacks.
func (e *StopError) Error() string {
	const most = 10
	listed := make([]string, 0, most)
	for _, s := range e.Stragglers[:min(most, len(e.Stragglers))] {
		listed = append(listed, fmt.Sprintf("%q", s.String()))
	}
	more := ""
	if n := len(e.Stragglers) - most; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%d did not stop in time: %s%s", len(e.Stragglers), strings.Join(listed, ", "), more)
}

// badValue returns an error about a setting. It names the worker, the field, the value and the reason.
func badValue(worker, field string, value any, why string) error {
	return fmt.Errorf("worker %q: %s %v: %s", text.Cut(worker, text.MaxName), field, value, why)
}

// straggler is a replica that was asked to stop and has not.
type straggler struct {
	*replica

	runID string
}

// stragglersOf returns the replicas of a worker that were asked to stop and have not. The pool's lock is held.
func stragglersOf(e *entry) (found []straggler) {
	if !e.pool.wasStarted() {
		return nil
	}
	for r := range e.replicas() {
		if (r.machine.IsStopping() || r.machine.IsScaledDown()) && !r.machine.HasExited() {
			found = append(found, straggler{r, r.runID()})
		}
	}
	return found
}

// takeStacks takes the stacks of all runs.
func takeStacks() goroutines.Profile { return goroutines.Take(fieldExecutionID, stackRank) }

// stackRank prefers the stack of the replica's own goroutine, but not if it only waits for the goroutines of [Go].
func stackRank(stack string) int {
	switch {
	case strings.Contains(stack, "workerfx.(*run).join"):
		return 0
	case strings.Contains(stack, "workerfx.(*replica).loop"):
		return 2
	case strings.Contains(stack, "workerfx.(*run).goroutine"):
		return 1
	}
	return 0
}

// sharedStacks takes the stacks once for all who ask for one at the same time.
var sharedStacks = goroutines.NewShared(takeStacks)

// stopErrorAbout returns a *StopError with the stacks of the replicas, or nil if there are none.
func stopErrorAbout(found []straggler) *StopError {
	if len(found) == 0 {
		return nil
	}
	stacks := takeStacks()
	stop := &StopError{Stragglers: make([]Straggler, len(found))}
	for i, s := range found {
		stop.Stragglers[i] = Straggler{Worker: s.name, Replica: int(s.index), Stack: stacks.Stack(s.runID)}
	}
	slices.SortFunc(stop.Stragglers, func(a, b Straggler) int {
		return cmp.Or(strings.Compare(a.Worker, b.Worker), cmp.Compare(a.Replica, b.Replica))
	})
	return stop
}
