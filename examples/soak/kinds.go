package main

import (
	"fmt"
	"slices"

	"github.com/workerfx/workerfx"
)

// kind is a sort of worker in the mix. To add one, write a function that makes a unit of it, and a line in
// the table.
type kind struct {
	name     string
	share    int     // of a hundred workers, about
	size     int     // workers of one unit
	fleeting bool    // every other unit may be removed and added again at any time
	orders   []order // what else the operator may ask of its workers
	make     func(u *unit) []post
}

// kinds is the mix. The first takes what the shares of the others leave.
var kinds = []kind{
	{"interval", 15, 1, false, nil, newInterval},
	{"cron", 8, 1, false, nil, newCron},
	{"clockwork", 10, 1, true, []order{pause, restart, trigger}, newClockwork},
	{"flaky", 15, 1, true, []order{pause, restart, trigger}, newFlaky},
	{"errand", 4, 1, true, []order{restart}, newErrand},
	{"loop", 12, 1, true, []order{pause, restart, scale}, newLoop},
	{"items", 10, 2, true, []order{pause, restart, trigger}, newItems},
	{"batches", 10, 2, true, []order{pause, restart, trigger}, newBatches},
	{"elastic", 6, 2, true, []order{pause, restart, scale, scale}, newElastic},
	{"autoscaled", 3, 3, false, []order{pause, restart}, newAutoscaled},
	{"family", 4, 1, true, []order{pause, restart}, newFamily},
	{"slow", 3, 1, true, []order{restart}, newSlow},
}

// unit is what a kind's function makes: one worker, or several that belong together.
type unit struct {
	*soak
	*dice

	number string
	name   string // "kind/number"
}

// post is one worker of a unit.
type post struct {
	role    string // "" for the main one
	run     workerfx.RunFunc
	most    int // replicas the operator may scale it to; 0 = 1
	options []workerfx.Option
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

// crew is the group of all workers of a kind.
type crew struct {
	soak  *soak
	kind  *kind
	units int
}

func newCrew(s *soak, k *kind, units int) *crew { return &crew{soak: s, kind: k, units: units} }

// Name is the kind's.
func (c *crew) Name() string { return c.kind.name }

// Workers makes the units, and tells everybody of their workers.
func (c *crew) Workers() []workerfx.Worker {
	workers := make([]workerfx.Worker, 0, c.units*c.kind.size)
	for i := range c.units {
		number := fmt.Sprintf("%04d", i)
		name := c.kind.name + "/" + number
		u := &unit{soak: c.soak, dice: newDice(c.soak.config.seed, name), number: number, name: name}
		for _, p := range c.kind.make(u) {
			w := workerfx.NewWorker(number+p.role, p.run, p.options...)
			c.enlist(&target{name: name + p.role, worker: w, most: max(1, p.most)}, c.kind.fleeting && i%2 == 1)
			workers = append(workers, w)
		}
	}
	c.soak.workers += len(workers)
	return workers
}

// enlist tells the tracker, the operator and the watch of a worker.
func (c *crew) enlist(t *target, fleeting bool) {
	c.soak.tracker.of(t.name).most.Store(int64(t.most))
	t.orders = c.kind.orders
	if fleeting {
		t.orders = append(slices.Clip(t.orders), replace)
	} else {
		c.soak.lasting[t.name] = true
	}
	if len(t.orders) > 0 {
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
