package workerfx

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/workerfx/workerfx/internal/goroutines"
	"github.com/workerfx/workerfx/internal/names"
)

// StopError has the replicas that did not stop in time. It is an error of all calls that stop workers and wait for that,
// such as [Pool.Stop], [Pool.Run], [Pool.Remove], [Pool.Restart] and [RemoveChild].
type StopError struct {
	// Stragglers are sorted by worker, then by replica.
	Stragglers []Straggler
}

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

// Straggler is a replica that was asked to stop and did not stop in time.
type Straggler struct {
	Worker  string
	Replica int
	// Stack is the stack of the replica's goroutine. It is empty if it could not be found.
	Stack string
}

// String names the replica: "mailer", or "mailer#2" for its third replica.
func (s Straggler) String() string { return names.Replica(s.Worker, s.Replica) }

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
