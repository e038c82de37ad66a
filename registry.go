package workerfx

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// slot is a pool's place in a registry. It has no metrics itself, but two slots of one name cannot both
// be registered, which the metrics themselves, undescribed, would only show at the first scrape. A
// pool that has stopped leaves its slot to the next one of its name.
type slot struct {
	desc  *prometheus.Desc
	taken atomic.Pointer[collector]
}

func newSlot(c *collector, config Config) *slot {
	name := prometheus.BuildFQName(config.Metrics.Namespace, config.Metrics.Subsystem, "worker_pool")
	s := &slot{desc: prometheus.NewDesc(name, "A pool of workers.", nil, prometheus.Labels{fieldPool: config.Name})}
	s.taken.Store(c)
	return s
}

func (s *slot) Describe(out chan<- *prometheus.Desc) { out <- s.desc }
func (*slot) Collect(chan<- prometheus.Metric)       {}

// free gives the slot up.
func (s *slot) free() { s.taken.Store(nil) }

// slotMetrics are the metrics of the pool in the slot.
type slotMetrics struct{ *slot }

func (slotMetrics) Describe(chan<- *prometheus.Desc) {}

func (s slotMetrics) Collect(out chan<- prometheus.Metric) {
	if c := s.taken.Load(); c != nil {
		c.Collect(out)
	}
}

// register puts a pool's metrics into a registry. It fails if a pool of the same name is there and has
// not stopped.
func register(registerer prometheus.Registerer, c *collector, config Config) (*slot, error) {
	s := newSlot(c, config)
	err := registerer.Register(s)
	if err == nil {
		if err = registerer.Register(slotMetrics{s}); err != nil {
			registerer.Unregister(s)
		}
	} else if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		s, err = takeOver(taken.ExistingCollector, c)
	}
	if err != nil {
		return nil, fmt.Errorf("pool %q: register metrics: %w", config.Name, err)
	}
	return s, nil
}

// takeOver puts a pool into the slot of one that has stopped.
func takeOver(existing prometheus.Collector, c *collector) (*slot, error) {
	s, ok := existing.(*slot)
	if ok {
		before := s.taken.Load()
		if (before == nil || before.pool.hasStopped()) && s.taken.CompareAndSwap(before, c) {
			return s, nil
		}
	}
	return nil, errors.New("the registry has the metrics of a pool of this name already: give each pool its own Config.Name")
}
