package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/workerfx/workerfx"
)

// kind is a sort of worker in the mix. To add one, write a function that makes a unit of it, and a line in
// the table.
type kind struct {
	name     string
	share    int               // of a hundred workers, about
	size     int               // workers of one unit
	fleeting bool              // every other unit may be removed and added again at any time
	group    []workerfx.Option // if there are any, each unit is a group of its own with these
	commands []command         // what else the operator may ask of its workers
	make     func(u *unit) []post
}

// kinds is the mix. The first takes what the shares of the others leave.
var kinds = []kind{
	{name: "interval", share: 12, size: 1, make: newInterval},
	{name: "cron", share: 8, size: 1, make: newCron},
	{name: "clockwork", share: 8, size: 1, fleeting: true, commands: []command{pause, restart, trigger}, make: newClockwork},
	{name: "flaky", share: 11, size: 1, fleeting: true, commands: []command{pause, restart, trigger}, make: newFlaky},
	{name: "errand", share: 3, size: 1, fleeting: true, commands: []command{restart}, make: newErrand},
	{name: "loop", share: 10, size: 1, fleeting: true, commands: []command{pause, restart, scale}, make: newLoop},
	{name: "items", share: 8, size: 2, fleeting: true, commands: []command{pause, restart, trigger}, make: newItems},
	{name: "batches", share: 8, size: 2, fleeting: true, commands: []command{pause, restart, trigger}, make: newBatches},
	{name: "elastic", share: 6, size: 2, fleeting: true, commands: []command{pause, restart, scale, scale}, make: newElastic},
	{name: "autoscaled", share: 3, size: 3, commands: []command{pause, restart}, make: newAutoscaled},
	{name: "drain", share: 4, size: 2, fleeting: true, commands: []command{pause, restart, scale}, make: newDrain},
	{name: "family", share: 4, size: 1, fleeting: true, commands: []command{pause, restart}, make: newFamily},
	{name: "chain", share: 5, size: 3, fleeting: true, commands: []command{pause, restart}, make: newChain},
	{name: "heart", share: 3, size: 1, fleeting: true, commands: []command{pause, restart}, make: newHeart},
	{name: "one-for-one", share: 1, size: 4, group: sharing(workerfx.OneForOne), commands: []command{pause, restart}, make: newFailureGroup(workerfx.OneForOne)},
	{name: "one-for-all", share: 2, size: 4, group: sharing(workerfx.OneForAll), commands: []command{pause, restart}, make: newFailureGroup(workerfx.OneForAll)},
	{name: "rest-for-one", share: 2, size: 4, group: sharing(workerfx.RestForOne), commands: []command{pause, restart}, make: newFailureGroup(workerfx.RestForOne)},
	{name: "slow", share: 2, size: 1, fleeting: true, commands: []command{restart}, make: newSlow},
}

// unit is what a kind's function makes: one worker, or several that belong together.
type unit struct {
	*soak
	*dice

	name string // "kind/number"
}

// post is one worker of a unit.
type post struct {
	role    string // what its name has beside the unit's; "" for the main one
	run     workerfx.RunFunc
	most    int // replicas the operator may scale it to; 0 = 1
	options []workerfx.Option

	replacing *sync.Mutex // held while it is being replaced; nil = one of its own
	upset     func()      // called when a command has been given to it; nil = nobody wants to know
}

// share says how many units there are of each kind.
func share(kinds []kind, workers int) map[*kind]int {
	units := make(map[*kind]int, len(kinds))
	rest := workers
	for i := range kinds {
		k := &kinds[i]
		units[k] = max(1, workers*k.share/100/k.size)
		rest -= units[k] * k.size
	}
	first := &kinds[0]
	units[first] = max(1, units[first]+rest/first.size)
	return units
}

// workerGroup is a group of workers: those of all units of a kind, or of one.
type workerGroup struct {
	soak        *soak
	kind        *kind
	name        string
	first, last int // units
}

// newWorkerGroup is the group of all workers of a kind.
func newWorkerGroup(s *soak, k *kind, units int) *workerGroup {
	return &workerGroup{soak: s, kind: k, name: k.name, last: units - 1}
}

// newGroup is the group of the workers of one unit.
func newGroup(s *soak, k *kind, number int) *workerGroup {
	return &workerGroup{soak: s, kind: k, name: unitName(k, number), first: number, last: number}
}

func unitName(k *kind, number int) string { return fmt.Sprintf("%s/%04d", k.name, number) }

// Name is the group's.
func (c *workerGroup) Name() string { return c.name }

// Workers makes the units, and tells everybody of their workers.
func (c *workerGroup) Workers() []workerfx.Worker {
	workers := make([]workerfx.Worker, 0, (c.last-c.first+1)*c.kind.size)
	for i := c.first; i <= c.last; i++ {
		name := unitName(c.kind, i)
		u := &unit{soak: c.soak, dice: newDice(c.soak.config.seed, name), name: name}
		for _, p := range c.kind.make(u) {
			t := &target{name: name + p.role, most: max(1, p.most), replacing: p.replacing, upset: p.upset}
			t.worker = workerfx.NewWorker(strings.TrimPrefix(t.name, c.name+"/"), p.run, p.options...)
			c.addTarget(t, c.kind.fleeting && i%2 == 1)
			workers = append(workers, t.worker)
		}
	}
	c.soak.workers += len(workers)
	return workers
}

// addTarget tells the tracker, the operator and the watch of a worker.
func (c *workerGroup) addTarget(t *target, fleeting bool) {
	c.soak.tracker.of(t.name).most.Store(int64(t.most))
	t.commands = c.kind.commands
	if t.replacing == nil {
		t.replacing = new(sync.Mutex)
	}
	if fleeting {
		t.commands = append(slices.Clip(t.commands), replace)
	} else {
		c.soak.lasting[t.name] = true
	}
	if len(t.commands) > 0 {
		c.soak.operator.targets = append(c.soak.operator.targets, t)
	}
}

// alone is a unit of one worker.
func alone(run workerfx.RunFunc, options ...workerfx.Option) []post {
	return []post{{run: run, options: options}}
}

// restless are the options of a worker that is run again soon, whatever happens.
func restless(options ...workerfx.Option) []workerfx.Option {
	return slices.Concat([]workerfx.Option{workerfx.WithMaxAttempts(0), workerfx.WithBackoff(quick)}, options)
}
