package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"time"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// watch looks at the soak from outside, every so often: at the heap, the goroutines, the reports and the
// metrics.
type watch struct {
	*soak

	progress   io.Writer
	began      time.Time
	before     int // goroutines, before the app started
	findings   findings
	ticks      *ticks
	metricSums *metricSums
}

// findings is what the watch found.
type findings struct {
	took       time.Duration
	heap       []point // live bytes
	goroutines []point // beyond one for each replica that is not done
	ticks      int64   // accounted for
	missed     int64   // of them
	gathered   int64   // times
	sum        figures // over all workers, when last gathered

	miscounted, unshown, inconsistent faults
}

// newWatch counts the goroutines that there are. It has the runtime start the one for signals first, which
// then is there for good.
func newWatch(s *soak, progress io.Writer) *watch {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	w := &watch{soak: s, progress: progress, before: runtime.NumGoroutine()}
	w.ticks = newTicks(s.steady, &w.findings.miscounted)
	w.metricSums = newMetricSums(s.lasting, &w.findings.inconsistent)
	return w
}

// watch looks every so often, until the time is over or the app is told to end.
func (w *watch) watch(end <-chan fx.ShutdownSignal, duration time.Duration) *findings {
	w.began = time.Now()
	ticker := time.NewTicker(w.config.every)
	defer ticker.Stop()
	var over <-chan time.Time
	if duration > 0 {
		timer := time.NewTimer(duration)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-ticker.C:
			w.look()
			w.report()
			continue
		case <-over:
		case <-end:
		}
		w.look()
		w.findings.took = time.Since(w.began)
		return &w.findings
	}
}

// look takes one sample of everything.
func (w *watch) look() {
	at := time.Since(w.began)
	runtime.GC()
	f := &w.findings
	f.heap = append(f.heap, point{at, float64(liveHeap())})
	underWay := w.tracker.underWay()
	goroutines := runtime.NumGoroutine()
	executions := w.pool.Executions()
	f.goroutines = append(f.goroutines, point{at, float64(goroutines - w.before - alive(executions))})
	w.checkShown(underWay, executions)
	w.failureGroups.check(executions)
	f.ticks, f.missed = w.ticks.check(executions)
	f.sum = w.metricSums.check(w.registry)
	f.gathered++
}

// checkShown compares the runs that the tracker saw before the reports were made with those in the reports. A
// replica's report shows one run. A run that goes on and is not shown is one too many.
func (w *watch) checkShown(underWay map[string]string, executions []workerfx.Execution) {
	for _, e := range executions {
		if e.Status == workerfx.StatusRunning {
			delete(underWay, e.ID)
		}
	}
	for id, worker := range underWay {
		if w.tracker.of(worker).isRunning(id) {
			w.findings.unshown.addf("%s: run %s is under way, and not in the reports", worker, id)
		}
	}
}

// report prints a line of progress.
func (w *watch) report() {
	f := &w.findings
	_, _ = fmt.Fprintf(w.progress, "%8v  runs %d  failed %d  panics %d  jobs %d  commands %d  missed ticks %d  heap %s  goroutines %d\n",
		time.Since(w.began).Round(time.Second), w.tracker.runs.Load(), f.sum.failed, f.sum.panics, f.sum.jobs,
		w.operator.given.Load(), f.missed, megabytes(f.heap[len(f.heap)-1].value), runtime.NumGoroutine())
}

// leftover returns how many goroutines more there are than before the app, once they no longer get fewer, and
// if there are, where all of them are.
func (w *watch) leftover() (n int, where string) {
	for range 100 {
		if runtime.NumGoroutine() <= w.before {
			return 0, ""
		}
		time.Sleep(20 * time.Millisecond)
		runtime.GC() // takes some time in a bubble, too: the goroutine of finalizers counts while they run
	}
	var stacks strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	return runtime.NumGoroutine() - w.before, stacks.String()
}

// alive is how many replicas may have a goroutine.
func alive(executions []workerfx.Execution) (n int) {
	for _, e := range executions {
		if e.Status < workerfx.StatusSuccess {
			n++
		}
	}
	return n
}

// liveHeap is how many bytes the last garbage collection found in use.
func liveHeap() uint64 {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

func megabytes(bytes float64) string { return fmt.Sprintf("%.1f MB", bytes/1e6) }
