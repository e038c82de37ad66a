package workerfx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/workerfx/workerfx/internal/idle"
)

// Autoscaler is a worker that scales another worker of its pool to the demand, within that worker's replica limits. Add a
// pointer to it like any other worker. Do not change its fields after that.
type Autoscaler struct {
	// Worker is the name of the worker to scale.
	Worker string
	// Demand returns how much there is to do, such as the length of a queue. If it fails, the error is logged and
	// the number of replicas stays as it is.
	Demand func(ctx context.Context) (float64, error)
	// PerReplica is the demand for one replica; 0 means 1.
	PerReplica float64
	// Every is the time between two calls of Demand; 0 means 10s.
	Every time.Duration
	// CoolDown is how long the number of replicas must not shrink after a change; 0 means a minute. It may always grow.
	CoolDown time.Duration
}

// Name returns "autoscaler:" and the name of the worker to scale.
func (a *Autoscaler) Name() string { return "autoscaler:" + a.Worker }

// Run scales the worker until ctx ends, or until the Autoscaler is paused.
func (a *Autoscaler) Run(ctx context.Context) error {
	run := runOf(ctx)
	if run == nil {
		return fmt.Errorf("autoscaler of %q: %w", a.Worker, errNoRun)
	}
	err := a.validate()
	if err == nil && a.Worker == run.replica.name {
		err = fmt.Errorf("autoscaler of %q: it cannot scale itself", a.Worker)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDoNotRestart, err)
	}
	var changed time.Time
	var wasUnknown bool // the pool had no such worker: one line in the log is enough

	isOver := func() bool { return ctx.Err() != nil || run.isDrained() } // not Draining: a stop ends the call of Demand, too
	for !isOver() {
		demand, err := a.Demand(ctx)
		if isOver() {
			break
		}
		if err == nil {
			changed, err = a.scale(run.replica.pool, demand, changed)
		}
		isUnknown := errors.Is(err, ErrUnknownWorker)
		if err != nil && ctx.Err() == nil && !(isUnknown && wasUnknown) {
			CtxLogger(ctx).Warn().Err(err).Str("scaled", a.Worker).Msg("autoscaler left the worker as it is")
		}
		wasUnknown = isUnknown
		resume := Standby(ctx)
		idle.Wait(ctx, cmp.Or(a.Every, 10*time.Second))
		resume()
	}
	return cmp.Or(context.Cause(ctx), ErrStopping)
}

// scale sets the number of replicas that meets the demand, and returns when the number last changed.
func (a *Autoscaler) scale(pool *Pool, demand float64, changed time.Time) (time.Time, error) {
	if !(demand >= 0) {
		return changed, fmt.Errorf("demand %v is not a number of at least 0", demand)
	}
	now, least, most, err := replicasOf(pool, a.Worker)
	if err != nil {
		return changed, err
	}
	if math.IsInf(demand, 1) && most == 0 {
		return changed, fmt.Errorf("demand %v needs a limit: see WithReplicaLimits", demand)
	}
	wanted := int(min(math.Ceil(demand/cmp.Or(a.PerReplica, 1)), limitOfReplicas))
	wanted = max(wanted, least)
	if most > 0 {
		wanted = min(wanted, most)
	}
	if wanted == now || wanted < now && time.Since(changed) < cmp.Or(a.CoolDown, time.Minute) {
		return changed, nil
	}
	return time.Now(), pool.Scale(a.Worker, wanted)
}

func (a *Autoscaler) validate() error {
	var f flaws
	f.addIf(a.Worker == "", "Worker is empty")
	f.addIf(a.Demand == nil, "Demand is nil")
	f.addIf(!(a.PerReplica >= 0) || math.IsInf(a.PerReplica, 0), "PerReplica %v must be a number of at least 0", a.PerReplica)
	f.addIf(a.Every < 0, "Every %v must not be negative", a.Every)
	f.addIf(a.CoolDown < 0, "CoolDown %v must not be negative", a.CoolDown)
	if err := f.err(); err != nil {
		return fmt.Errorf("autoscaler of %q: %w", a.Worker, err)
	}
	return nil
}

// replicasOf returns the wanted number of a worker's replicas, and its limits.
func replicasOf(p *Pool, name string) (now, least, most int, err error) {
	e, err := findEntry(p, name)
	if err != nil {
		return 0, 0, 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(e.wanted), e.minReplicas, e.maxReplicas, nil
}
