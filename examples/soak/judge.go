package main

import (
	"fmt"
	"math"
)

// What is allowed.
const (
	mostGrowth  = 0.05 // of the heap, between warm-up and end, if it is more than chance ...
	leastGrowth = 1e6  // ... and more than so many bytes
	leastPoints = 8    // medians after the warm-up, for a trend to be judged

	looseGoroutines = 50   // beyond one for each replica that is not done: Fx, the soak itself, ends under way ...
	looseOfWorkers  = 0.01 // ... and so many for each worker
)

// verdict judges what was found.
func (s *soak) verdict() *verdict {
	f := s.watched
	v := &verdict{title: fmt.Sprintf("%s workers for %s (seed %d): %s runs, %s failed, %s panicked, %s after a failure; %s jobs, %s failed; %s commands",
		number(int64(s.workers)), roughly(f.took), s.config.seed, number(s.tracker.runs.Load()), number(f.sum.failed), number(f.sum.panics),
		number(f.sum.restarted), number(f.sum.jobs), number(f.sum.failedJobs), number(s.operator.given.Load()))}
	s.judgeItems(v)
	v.none("ticks doubled, or missed and not reported", &f.miscounted, " of %s (missed and reported: %s)", number(f.ticks), number(f.missed))
	v.none("runs of one replica at once", &s.tracker.doubled, "")
	v.none("runs under way that no report shows", &f.unshown, "")
	v.none("children that outlived their parent's run", &s.outlived, "")
	s.judgeKinds(v)
	v.none("commands not carried out", &s.operator.refused, " of %s", number(s.operator.given.Load()))
	v.none("metrics that contradict themselves", &f.inconsistent, " in %s gatherings", number(f.gathered))
	s.judgeCounts(v)
	judgeMemory(v, medians(warm(f.heap)))
	s.judgeGoroutines(v, medians(warm(f.goroutines)))
	s.judgeStop(v)
	return v
}

// judgeKinds judges what single kinds of workers are there to show.
func (s *soak) judgeKinds(v *verdict) {
	p := &s.precedence
	v.none("workers that were not ready when the app was", &p.unready, " of %s", number(p.awaited))
	v.none("workers begun or stopped out of command", &p.broken, " of %s begun, %s stopped", number(p.starts.Load()), number(p.stops.Load()))
	hung, told := s.hangs.close(s.end.asked)
	v.none("hangs not told, or told twice or for no reason", &s.hangs.mistold, " of %s (told: %s)", number(hung), number(told))
	v.none("hung runs not ended, or not followed by another", &s.hangs.unrelieved, " of %s", number(hung))
	s.drains.judge(v)
	q := &s.failureGroups
	v.none("old runs beside a restart in their group", &q.beside, " in %s restarts", number(q.restarted.Load()))
	v.none("workers stopped for no failure in their group", &q.without, " of %s", number(q.stopped.Load()))
	v.none("workers done as their group did not stop", &q.done, " of %s", number(int64(len(q.endless))))
}

// judgeItems balances the item counts of all streams.
func (s *soak) judgeItems(v *verdict) {
	var lost, twice faults
	var all int64
	for _, stream := range s.streams {
		sent, missing, again := stream.balance()
		all += sent
		if missing != 0 {
			lost.manyf(missing, "%s: %d of %d items", stream.name, missing, sent)
		}
		if again != 0 {
			twice.manyf(again, "%s: %d of %d items", stream.name, again, sent)
		}
	}
	v.none("items lost", &lost, " of %s", number(all))
	v.none("items handled well twice", &twice, " of %s", number(all))
	v.none("streams that did not hand over what was left", &s.end.unsettled, " of %s (items: %s)", number(int64(len(s.streams))), number(s.end.handedOver))
}

// judgeCounts compares the metrics, now that nothing runs, with what the tracker counted.
func (s *soak) judgeCounts(v *verdict) {
	var wrong faults
	metrics, err := gather(s.registry)
	if err != nil {
		wrong.addf("gather: %v", err)
	}
	for worker, f := range metrics {
		counts := s.tracker.of(worker)
		begun, panics, jobs := counts.begun.Load(), counts.panics.Load(), counts.jobs.Load()
		if f.started != begun || f.panics != panics || jobs > 0 && f.jobs != jobs {
			wrong.addf("%s: %d runs, %d panics, %d jobs; metrics: %+v", worker, begun, panics, jobs, f)
		}
	}
	v.none("workers whose runs, panics or jobs are miscounted", &wrong, " of %s", number(int64(len(metrics))))
}

func judgeMemory(v *verdict, heap []point) {
	const what = "live heap"
	if len(heap) < leastPoints {
		v.unjudged(what, fmt.Sprintf("only %d medians of %d samples after the warm-up", len(heap), portion))
		return
	}
	t := trendOf(heap)
	grows := t.isCertain() && t.growth() > mostGrowth && t.growth()*t.mean > leastGrowth
	v.that(what, !grows, "%s, %+.1f ± %.1f MB an hour, %+.1f%% in %s", megabytes(t.mean), t.slope/1e6, t.doubt/1e6,
		100*t.growth(), roughly(t.over))
}

func (s *soak) judgeGoroutines(v *verdict, goroutines []point) {
	least, most := math.Inf(1), math.Inf(-1)
	for _, p := range goroutines {
		least, most = min(least, p.value), max(most, p.value)
	}
	allowed := looseGoroutines + looseOfWorkers*float64(s.workers)
	v.that("goroutines beyond one a replica", most <= allowed, "%.0f to %.0f, of %.0f", least, most, allowed)
	v.that("goroutines left over", s.end.goroutines == 0, "%d", s.end.goroutines)
	v.explain(s.end.stacks)
}

func (s *soak) judgeStop(v *verdict) {
	v.none("runs begun after Stop", &s.tracker.late, "")
	v.that("stop within its budget", s.end.err == nil, "%s, of %v", roughly(s.end.took), s.config.budget)
	if s.end.err != nil {
		v.explain(s.end.err.Error())
	}
}
