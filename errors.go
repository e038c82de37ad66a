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

// What a worker's Run may return to say more than "it failed".
var (
	// ErrDoNotRestart ends a worker for good: returned as it is, the worker succeeded; wrapped around a cause, it failed.
	ErrDoNotRestart = errors.New("do not restart")
	// ErrSkip makes a tick of a schedule not count: neither as a success nor as a failure. From a worker
	// without a schedule it is an error like any other.
	ErrSkip = errors.New("skip this tick")
)

// What the pool says to a running worker and of a run that ended.
var (
	// ErrStopping is the cause of a run's context ([context.Cause]) once the worker was asked to stop.
	ErrStopping = errors.New("worker is stopping")
	// ErrGoexit is the error of a run that ended its goroutine with [runtime.Goexit] (as testing's FailNow does).
	ErrGoexit = errors.New("run ended its goroutine (runtime.Goexit)")
	// ErrStuck is wrapped by the error of a run that missed its heartbeat or outlasted its timeout; see [WithHeartbeat].
	ErrStuck = errors.New("worker is stuck")
	// ErrExitedPrematurely says that an essential worker was done while the pool was up. The worker's own error is joined to it.
	ErrExitedPrematurely = errors.New("essential worker exited prematurely")
)

// What the pool answers to calls that it cannot carry out.
var (
	// ErrUnknownWorker says that the pool has no worker of that name.
	ErrUnknownWorker = errors.New("unknown worker")
	// ErrDuplicateWorker says that the pool already has a worker of that name.
	ErrDuplicateWorker = errors.New("a worker of this name is already in the pool")
	// ErrPoolStarted answers a second Start.
	ErrPoolStarted = errors.New("pool is already started")
	// ErrPoolStopped answers Start and Add once the pool was stopped, also if it never started.
	ErrPoolStopped = errors.New("pool is stopped")
	// ErrNotStarted answers calls that need a started pool.
	ErrNotStarted = errors.New("pool is not started")
	// ErrMinReplicas answers a Scale or Less below the worker's smallest number of replicas.
	ErrMinReplicas = errors.New("below the worker's smallest number of replicas")
	// ErrMaxReplicas answers a Scale or More above the worker's largest number of replicas.
	ErrMaxReplicas = errors.New("above the worker's largest number of replicas")
)

// StopError says which replicas were still running when [Pool.Stop] or [Pool.Remove] gave up waiting for them.
type StopError struct {
	// Stragglers has one entry for each replica that had not stopped, sorted by worker, then replica.
	Stragglers []Straggler
}

// Straggler is a replica that was asked to stop and did not.
type Straggler struct {
	Worker  string
	Replica int
	// Stack is where the replica's goroutine hung. It is empty where it could not be found.
	Stack string
}

// String names the replica: "mailer", or "mailer#2" for its third one.
func (s Straggler) String() string { return names.Replica(s.Worker, s.Replica) }

// Error names the stragglers; their stacks are left to whoever opens the error.
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

// badValue is the one form of every complaint about a setting: who, which field, which value, why.
func badValue(worker, field string, value any, why string) error {
	return fmt.Errorf("worker %q: %s %v: %s", text.Cut(worker, text.MaxName), field, value, why)
}

// takeStacks looks at the goroutines of runs.
func takeStacks() goroutines.Profile { return goroutines.Take(fieldExecutionID, replicaFrame) }

// replicaFrame is in the stack of each replica's own goroutine.
const replicaFrame = "workerfx.(*replica).loop"

// sharedStacks are for those who look for stacks while runs go on.
var sharedStacks = goroutines.NewShared(takeStacks)

// stopErrorAbout tells where replicas hang, if there are any.
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
