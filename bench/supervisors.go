package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/ankorstore/yokai/worker"
	"github.com/oklog/run"
	"github.com/rs/zerolog"
	"github.com/sourcegraph/conc"
	"github.com/thejerf/suture/v4"
	"golang.org/x/sync/errgroup"

	"github.com/workerfx/workerfx"
)

// supervisor runs many bodies at the same time, until it is told to stop.
type supervisor struct {
	name string
	// start starts n bodies. The function that it returns stops them, and returns when they have ended.
	start func(n int, body func(ctx context.Context) error) (stop func())
}

var (
	bareGoroutines = supervisor{"bare goroutines", startBare}
	ourPool        = supervisor{"workerfx", startPool}
	sutureTree     = supervisor{"suture", startSuture}
	yokaiPool      = supervisor{"yokai", startYokai}
	errGroup       = supervisor{"errgroup", startErrGroup}
	concGroup      = supervisor{"conc", startConc}
	oklogRun       = supervisor{"oklog/run", startOklog}
)

func startBare(n int, body func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		all.Go(func() { _ = body(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
	}
}

func startPool(n int, body func(context.Context) error) (stop func()) {
	pool := newPool()
	startWorkers(pool, n, body)
	return func() { check(pool.Stop(context.Background())) }
}

// startWorkers adds n workers to a pool, and starts it.
func startWorkers(pool *workerfx.Pool, n int, body workerfx.RunFunc, opts ...workerfx.Option) {
	workerNames.make(n)
	for i := range n {
		check(pool.Add(workerfx.NewWorker(workerNames.of(i), body, opts...)))
	}
	check(pool.Start(context.Background()))
}

// newPool returns a pool that logs at level info.
func newPool(opts ...workerfx.PoolOption) *workerfx.Pool {
	logger := zerolog.New(io.Discard).Level(zerolog.InfoLevel)
	return must(workerfx.NewPool(append([]workerfx.PoolOption{workerfx.WithLogger(logger)}, opts...)...))
}

// sutureService is a body as a service of suture.
type sutureService struct {
	name string
	body func(context.Context) error
}

// Serve runs the body.
func (s *sutureService) Serve(ctx context.Context) error { return s.body(ctx) }

func (s *sutureService) String() string { return s.name }

// newSuture returns a supervisor that restarts at once, without end and without a log.
func newSuture() *suture.Supervisor {
	return suture.New("bench", suture.Spec{EventHook: func(suture.Event) {}, FailureThreshold: 1e12})
}

func startSuture(n int, body func(context.Context) error) (stop func()) {
	tree := newSuture()
	for i := range n {
		tree.Add(&sutureService{workerNames.of(i), body})
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := tree.ServeBackground(ctx)
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			panic(err)
		}
	}
}

// yokaiWorker is a body as a worker of yokai.
type yokaiWorker struct {
	name string
	body func(context.Context) error
}

// Name returns the worker's name.
func (w *yokaiWorker) Name() string { return w.name }

// Run runs the body.
func (w *yokaiWorker) Run(ctx context.Context) error { return w.body(ctx) }

func startYokai(n int, body func(context.Context) error) (stop func()) {
	pool := worker.NewWorkerPool()
	for i := range n {
		pool.Register(worker.NewWorkerRegistration(&yokaiWorker{workerNames.of(i), body}))
	}
	check(pool.Start(context.Background()))
	return func() { check(pool.Stop()) }
}

func startErrGroup(n int, body func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	group, ctx := errgroup.WithContext(ctx)
	for range n {
		group.Go(func() error { return body(ctx) })
	}
	return func() {
		cancel()
		_ = group.Wait()
	}
}

func startConc(n int, body func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group conc.WaitGroup
	for range n {
		group.Go(func() { _ = body(ctx) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

func startOklog(n int, body func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group run.Group
	for range n {
		group.Add(func() error { return body(ctx) }, func(error) { cancel() })
	}
	ended := make(chan error)
	go func() { ended <- group.Run() }()
	return func() {
		cancel()
		check(<-ended)
	}
}

// startAndStop is the start of n workers until all of them run, and their stop.
func startAndStop(n int, s supervisor) side {
	return side{s.name, func(m *meter) {
		workerNames.make(n)
		m.start()
		stop := startAll(n, s)
		stop()
		m.stop(n)
	}}
}

// startAll starts n workers that wait for their end, and returns when all of them run.
func startAll(n int, s supervisor) (stop func()) {
	var running sync.WaitGroup
	running.Add(n)
	stop = s.start(n, func(ctx context.Context) error {
		running.Done()
		<-ctx.Done()
		return nil
	})
	running.Wait()
	return stop
}

// nameList has the names of workers, so that their making is not measured.
type nameList []string

var workerNames nameList

func (l *nameList) make(n int) {
	for len(*l) < n {
		*l = append(*l, "worker-"+strconv.Itoa(len(*l)))
	}
}

func (l *nameList) of(i int) string { return (*l)[i] }

func supervisionWorks(size func(n int) int) (works []work) {
	sides := func(n int, of func(int, supervisor) side, all ...supervisor) (sides []side) {
		for _, s := range all {
			sides = append(sides, of(n, s))
		}
		return sides
	}
	ten := size(10_000)
	works = append(works, work{
		name: "start and stop 10,000 workers", unit: "worker", goal: 0.7, baseline: startAndStop(ten, sutureTree),
		contenders: sides(ten, startAndStop, ourPool, bareGoroutines, yokaiPool, errGroup, concGroup, oklogRun),
	})
	for _, w := range []struct {
		n, rounds int
		name      string
		goal      float64
	}{{1_000, 0, "1,000", 3}, {100_000, 7, "100,000", 4}, {1_000_000, 3, "1,000,000", 0}} {
		n := size(w.n)
		works = append(works, work{
			name: "start and stop " + w.name + " workers", unit: "worker", goal: w.goal, rounds: w.rounds,
			baseline: startAndStop(n, bareGoroutines), contenders: sides(n, startAndStop, ourPool, sutureTree, yokaiPool),
		})
	}
	for _, w := range []struct {
		n    int
		name string
		goal float64
	}{{1_000, "1,000", 0}, {10_000, "10,000", 0}, {100_000, "100,000", 1.35}, {1_000_000, "1,000,000", 0}} {
		n := size(w.n)
		works = append(works, work{
			name: w.name + " idle workers", unit: "worker", figure: memory, goal: w.goal, rounds: 3,
			baseline: idle(n, bareGoroutines), contenders: sides(n, idle, ourPool, sutureTree, yokaiPool),
		})
	}
	return works
}
