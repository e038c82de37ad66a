package faults_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// groupWatch records the runs of groups that share their failures, and requires what their strategies
// promise. A worker of a group fails and will run again. Then no worker that shares the failure may begin a run
// before all their old runs have ended. groupWatch learns of a failure from the log. At that moment the other
// workers have been told to stop, and the failed worker has not begun again.
type groupWatch struct {
	t    *testing.T
	pool *workerfx.Pool // set before the first run

	mu         sync.Mutex // guards what is below
	strategies map[string]workerfx.Strategy
	runs       map[string]place          // under way, by execution ID
	beside     map[place]map[string]bool // the runs that were under way when the last one in a place ended
	failures   []*failure
	leaving    map[string]int // commands under way that may let a worker's group go on without it
	checked    int            // runs that began after a failure of their group
}

// place is where runs follow one another.
type place struct {
	worker  string
	replica int
}

func (p place) String() string { return fmt.Sprintf("%s#%d", p.worker, p.replica) }

// failure is a failure.
type failure struct {
	place

	old     map[string]bool // runs that have to end before there are others
	stopped map[place]bool  // where one ended since: the next is another
}

func newGroupWatch(t *testing.T) *groupWatch {
	t.Helper()
	return &groupWatch{
		t: t, strategies: make(map[string]workerfx.Strategy), runs: make(map[string]place),
		beside: make(map[place]map[string]bool), leaving: make(map[string]int),
	}
}

// group adds a group. Its workers are named by letters, in its order.
func (l *groupWatch) group(name string, strategy workerfx.Strategy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.strategies[name] = strategy
}

// shares tells whether a worker shares another one's failures.
func (l *groupWatch) shares(worker, failed string) bool {
	group, letter, _ := strings.Cut(worker, "/")
	failedGroup, failedLetter, _ := strings.Cut(failed, "/")
	if group != failedGroup || letter == failedLetter {
		return false
	}
	strategy := l.strategies[group]
	return strategy == workerfx.OneForAll || strategy == workerfx.RestForOne && letter > failedLetter
}

// Write learns of a failure from the log.
func (l *groupWatch) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte(`"worker failed, it will run again"`)) {
		return len(line), nil
	}
	var record struct {
		Worker  string
		Replica int
	}
	if err := json.Unmarshal(line, &record); err != nil {
		l.t.Errorf("%v: %s", err, line)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving[record.Worker] > 0 {
		return len(line), nil
	}
	f := &failure{place{record.Worker, record.Replica}, make(map[string]bool), make(map[place]bool)}
	for id, run := range l.runs {
		if l.beside[f.place][id] && l.shares(run.worker, f.worker) {
			f.old[id] = true
		}
	}
	l.failures = append(l.failures, f)
	return len(line), nil
}

// mayLeave is called before a command that may let a worker's group go on without it, and its result after that.
func (l *groupWatch) mayLeave(worker string) (over func()) {
	forget := func(change int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.leaving[worker] += change
		l.failures = slices.DeleteFunc(l.failures, func(f *failure) bool { return f.worker == worker })
		maps.DeleteFunc(l.beside, func(where place, _ map[string]bool) bool { return where.worker == worker }) // the log may not tell yet
	}
	forget(1)
	return func() { forget(-1) }
}

// watch wraps each run.
func (l *groupWatch) watch(next workerfx.RunFunc) workerfx.RunFunc {
	return func(ctx context.Context) error {
		id := workerfx.CtxExecutionID(ctx)
		l.begin(id, place{workerfx.CtxWorkerName(ctx), replicaOf(l.pool, ctx)})
		defer l.end(id)
		return next(ctx)
	}
}

func (l *groupWatch) begin(id string, where place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, run := range l.runs {
		if run == where {
			l.t.Errorf("%v has two runs at a time", where)
		}
	}
	l.failures = slices.DeleteFunc(l.failures, func(f *failure) bool {
		again := f.place == where
		if !again && !(l.shares(where.worker, f.worker) && f.stopped[where]) { // it may have been about to begin
			return false
		}
		l.checked++
		for old := range f.old {
			l.t.Errorf("%v begins, and %v still runs that was to stop when %v failed", where, l.runs[old], f.place)
		}
		return again
	})
	l.runs[id] = where
}

func (l *groupWatch) end(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	where := l.runs[id]
	delete(l.runs, id)
	l.beside[where] = make(map[string]bool)
	for id := range l.runs {
		l.beside[where][id] = true
	}
	for _, f := range l.failures {
		delete(f.old, id)
		f.stopped[where] = true
	}
}

// allRunning tells whether no worker of a group is left waiting for another one.
func allRunning(pool *workerfx.Pool, group string) (ok bool) {
	for _, e := range pool.Executions() {
		if strings.HasPrefix(e.Worker, group+"/") && e.Status != workerfx.StatusRunning && e.Status != workerfx.StatusSuccess && e.NextRunAt.IsZero() {
			return false
		}
	}
	return true
}

// strategyGroup is a group whose workers fail and stop at random, until it is told to be calm. Its last worker
// comes after the first.
type strategyGroup struct {
	chance func(n int) int
	calm   chan struct{}
	unit   time.Duration // of its workers' lives
}

func (g *strategyGroup) run(ctx context.Context) error {
	workerfx.Wait(ctx, g.some(4))
	workerfx.Ready(ctx)
	obey := ctx.Done()
	if g.chance(3) == 0 {
		obey = workerfx.Draining(ctx)
	}
	select {
	case <-obey:
		time.Sleep(g.some(6))
		return []error{ctx.Err(), workerfx.ErrStopping, errBoom, nil}[g.chance(3)]
	case <-time.After(g.some(20)):
	case <-g.calm:
		return untilStopped(ctx)
	}
	switch g.chance(4) {
	case 0:
		panic("storm")
	case 1:
		runtime.Goexit()
	}
	return errBoom
}

// some is a time of up to n units, and next to nothing at times: no two things happen at the same moment by chance, so
// that a run which begins at the very moment of a failure was about to.
func (g *strategyGroup) some(n int) time.Duration {
	return time.Duration(1+g.chance(1000))*time.Nanosecond + time.Duration(g.chance(5))*g.unit*time.Duration(n)/4*time.Duration(g.chance(1_000_000))/1_000_000
}

// members are those of the strategyGroup, each with options of its own.
func (g *strategyGroup) members(l *groupWatch, more func() []workerfx.Option) (workers workersOf) {
	for _, name := range []string{"a", "b", "c", "d"} {
		options := with(endless, workerfx.WithBackoff(randomBackoff{g}), workerfx.WithStopTimeout(time.Hour), workerfx.WithMiddleware(l.watch))
		switch name {
		case "a":
			options = append(options, workerfx.WithReadiness())
		case "d":
			options = append(options, workerfx.WithAfter("a"))
		}
		workers = append(workers, workerfx.NewWorker(name, g.run, append(options, more()...)...))
	}
	return workers
}

// randomBackoff is long at times.
type randomBackoff struct{ *strategyGroup }

func (b randomBackoff) Duration(int) time.Duration {
	return b.unit + b.some(50)
}

// locked is a source of chance for many goroutines.
func locked(r *rand.Rand) func(n int) int {
	var mu sync.Mutex
	return func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(n)
	}
}

func TestAGroupKeepsItsStrategyWhateverIsCommanded(t *testing.T) {
	for strategy, name := range strategyNames {
		checked := 0
		for seed := range uint64(12) {
			bubble(fmt.Sprint(name, ", ", seed), t, func(t *testing.T) {
				chance, l := locked(rand.New(rand.NewPCG(seed, 0))), newGroupWatch(t)
				l.pool = newPool(t, workerfx.WithLogger(zerolog.New(l)))
				l.group("g", strategy)
				g := &strategyGroup{chance: chance, calm: make(chan struct{}), unit: time.Second}
				members := g.members(l, func() []workerfx.Option { return with(workerfx.WithReplicas(1 + chance(3))) })
				require.NoError(t, l.pool.AddGroup(members, workerfx.WithName("g"), workerfx.WithStrategy(strategy)))
				start(t, l.pool)
				for range 300 {
					time.Sleep(time.Duration(chance(3000)) * time.Millisecond)
					if chance(3) == 0 {
						go giveToMember(l, "g/"+string(rune('a'+chance(4))), chance)
					}
				}
				close(g.calm)
				time.Sleep(2 * time.Hour) // the commands, too, have been carried out
				for _, member := range []string{"g/a", "g/b", "g/c", "g/d"} {
					over := l.mayLeave(member)
					require.NoError(t, l.pool.Scale(member, 1))
					over()
					require.NoError(t, l.pool.Resume(member))
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				assert.True(t, allRunning(l.pool, "g"), "%v", l.pool.Health())
				checked += l.checked
				stop(t, l.pool)
			})
		}
		assert.Greater(t, checked, 300, name)
	}
}

// giveToMember gives a random command to a worker.
func giveToMember(l *groupWatch, name string, chance func(int) int) {
	switch chance(7) {
	case 0:
		_ = l.pool.Restart(name)
	case 1:
		_ = l.pool.Pause(name)
	case 2, 3:
		_ = l.pool.Resume(name)
	case 4:
		_ = l.pool.Trigger(name)
	default:
		defer l.mayLeave(name)()
		_ = l.pool.Scale(name, chance(4))
	}
}

// slow is a watched group of workers that fail at set times, by name, and take five seconds to stop.
func slow(t *testing.T, strategy workerfx.Strategy, fails map[string]time.Duration, backoffs map[string]time.Duration, options ...workerfx.Option) *groupWatch {
	t.Helper()
	l := newGroupWatch(t)
	l.pool = newPool(t, workerfx.WithLogger(zerolog.New(l)))
	l.group("g", strategy)
	begin := time.Now()
	var workers workersOf
	for _, name := range []string{"a", "b", "c"} {
		run := func(ctx context.Context) error {
			var failure <-chan time.Time
			if left := time.Until(begin.Add(fails[name] + time.Duration(replicaOf(l.pool, ctx))*time.Second)); fails[name] > 0 && left > 0 {
				failure = time.After(left)
			}
			select {
			case <-failure:
				return errBoom
			case <-ctx.Done():
				time.Sleep(5 * time.Second)
				return ctx.Err()
			}
		}
		workers = append(workers, workerfx.NewWorker(name, run, append(with(endless, workerfx.WithMiddleware(l.watch),
			workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: backoffs[name]})), options...)...))
	}
	require.NoError(t, l.pool.AddGroup(workers, workerfx.WithName("g"), workerfx.WithStrategy(strategy)))
	start(t, l.pool)
	return l
}

func TestSecondFailureKeepsTheFirstWaitingForTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := slow(t, workerfx.OneForAll, map[string]time.Duration{"a": time.Minute}, map[string]time.Duration{"a": 2 * time.Second},
			workerfx.WithReplicas(2))
		time.Sleep(time.Minute + 2500*time.Millisecond)
		require.NoError(t, l.pool.Resume("g/a")) // which makes it look
		assert.EqualValues(t, 1, report(t, l.pool, "g/a").Runs)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for _, e := range l.pool.Executions() {
			assert.Equal(t, workerfx.StatusRunning, e.Status, e.Worker)
			assert.EqualValues(t, 2, e.Runs, e.Worker)
		}
		stop(t, l.pool)
	})
}

func TestOthersStopFirstAlsoWhenOneFailedWorkerIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := slow(t, workerfx.RestForOne, map[string]time.Duration{"a": time.Minute + time.Second, "b": time.Minute},
			map[string]time.Duration{"a": time.Hour, "b": 3 * time.Second})
		time.Sleep(time.Minute + 2*time.Second)
		require.NoError(t, l.pool.Remove(t.Context(), "g/a"))
		time.Sleep(2 * time.Second) // b's backoff is over, and c has not stopped
		assert.EqualValues(t, 1, report(t, l.pool, "g/b").Runs)
		time.Sleep(time.Minute)
		for _, name := range []string{"g/b", "g/c"} {
			e := report(t, l.pool, name)
			assert.Equal(t, workerfx.StatusRunning, e.Status)
			assert.EqualValues(t, 2, e.Runs)
		}
		stop(t, l.pool)
	})
}

func TestTheRestOfAGroupBeginsAgainWithTheOneBeforeItAlsoIfOneFailedByItself(t *testing.T) {
	for _, strategy := range []workerfx.Strategy{workerfx.OneForAll, workerfx.RestForOne} {
		bubble(strategy.String(), t, func(t *testing.T) {
			l := slow(t, strategy, map[string]time.Duration{"a": time.Minute + time.Second, "b": time.Minute},
				map[string]time.Duration{"a": 20 * time.Second, "b": 10 * time.Minute})
			time.Sleep(time.Minute + 30*time.Second)
			for _, name := range []string{"g/a", "g/b", "g/c"} {
				e := report(t, l.pool, name)
				if strategy == workerfx.OneForAll { // a had to stop before it could fail
					assert.EqualValues(t, 1, e.Runs, name)
					continue
				}
				assert.Equal(t, workerfx.StatusRunning, e.Status, name)
				assert.EqualValues(t, 2, e.Runs, name)
			}
			time.Sleep(time.Hour)
			for _, name := range []string{"g/a", "g/b", "g/c"} {
				e := report(t, l.pool, name)
				assert.Equal(t, workerfx.StatusRunning, e.Status, name)
				assert.EqualValues(t, 2, e.Runs, name)
			}
			stop(t, l.pool)
		})
	}
}

func TestOfTwoThatFailAtTheSameTimeBothHaveTheOthersStopFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newGroupWatch(t)
		l.pool = newPool(t, workerfx.WithLogger(zerolog.New(l)))
		l.group("g", workerfx.OneForAll)
		failAfter := func(d time.Duration) workerfx.RunFunc { // the first replica, once
			return func(ctx context.Context) error {
				if workerfx.CtxAttempt(ctx) == 1 && replicaOf(l.pool, ctx) == 0 {
					if workerfx.Wait(ctx, d); ctx.Err() == nil {
						return errBoom
					}
				}
				<-ctx.Done()
				time.Sleep(time.Minute)
				return ctx.Err()
			}
		}
		// While a's backoff makes up its mind, b fails and is the first to have the others stop.
		pensive := newHook(func() { time.Sleep(3 * time.Second) })
		require.NoError(t, l.pool.AddGroup(workersOf{
			workerfx.NewWorker("a", failAfter(time.Second), workerfx.WithBackoff(pensive)),
			workerfx.NewWorker("b", failAfter(2*time.Second), second),
			workerfx.NewWorker("c", failAfter(time.Hour), second),
		}, workerfx.WithName("g"), workerfx.WithStrategy(workerfx.OneForAll), endless, workerfx.WithReplicas(2), workerfx.WithStopTimeout(time.Hour),
			workerfx.WithMiddleware(l.watch)))
		start(t, l.pool)
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		assert.True(t, allRunning(l.pool, "g"), "%v", l.pool.Health())
		for _, e := range l.pool.Executions() {
			assert.EqualValues(t, 2, e.Runs, "%s#%d", e.Worker, e.Replica)
		}
	})
}
