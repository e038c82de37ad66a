package workerfx

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/workerfx/workerfx/internal/lifecycle"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Go calls fn in a goroutine that belongs to the run of ctx. fn gets ctx, which ends with the run.
//
// If fn fails, panics or ends its goroutine, the context of the run ends, with that error as its cause ([context.Cause]).
// It is the run's failure then, with the stack of a panic, even if Run returns nil. It is no failure if fn returns the
// error of a run that was asked to stop. A panic in a goroutine that was started with the statement "go" ends the process.
//
// The run is over when Run and all its goroutines have returned. If Run returns nil, they may go on, and the context of the
// run does not end. If Run fails, the context ends. A goroutine that does not return when its worker stops is named in
// the [StopError], with its stack.
//
// Go may be called from any goroutine of the run. It fails outside of a run, and when the run's context has ended.
func Go(ctx context.Context, fn RunFunc) error {
	r := runOf(ctx)
	switch {
	case r == nil:
		return fmt.Errorf("go: %w", errNoRun)
	case fn == nil:
		return fmt.Errorf("worker %q: go: the function is nil", r.replica.name)
	}
	if !r.addGoroutine() { // the text of the cause may be the user's code: it is made without the lock
		return fmt.Errorf("worker %q: go: the run has ended: %w", r.replica.name, context.Cause(r))
	}
	go r.goroutine(ctx, fn)
	return nil
}

// addGoroutine counts one more goroutine. It does not, and tells so, if the run has ended.
func (r *run) addGoroutine() (added bool) {
	r.replica.pool.mu.Lock()
	defer r.replica.pool.mu.Unlock()
	if r.over || r.Err() != nil {
		return false
	}
	g := r.goroutines.Load()
	if g == nil {
		g = new(runGoroutines)
		r.goroutines.Store(g)
	}
	g.running++
	return true
}

// runGoroutines are the goroutines of a run. The pool's lock guards the fields.
type runGoroutines struct {
	running int
	none    chan struct{} // closed when none runs; nil if nobody waits for that
	failed  *outcome      // of the first that failed
}

// goroutine calls fn, and ends the run if fn fails.
func (r *run) goroutine(ctx context.Context, fn RunFunc) {
	defer r.goroutineEnded()
	pprof.SetGoroutineLabels(ctx)
	var o outcome
	returned := false
	defer func() {
		if !returned {
			if value := recover(); value != nil {
				o = panicked(r, value)
			} else {
				o = failure(r, ErrGoexit, ErrGoexit.Error())
			}
		}
		if o.kind != lifecycle.Succeeded && (o.kind != lifecycle.Obeyed || r.hasTimedOut()) {
			r.goroutineFailed(o)
		}
	}()
	o = classify(fn(ctx), r)
	returned = true
}

// goroutineFailed ends the run's context with the error of a goroutine.
func (r *run) goroutineFailed(o outcome) {
	mu := &r.replica.pool.mu
	mu.Lock()
	g := r.goroutines.Load()
	first := g.failed == nil
	if first {
		g.failed = &o
	}
	mu.Unlock()
	if first {
		r.endFor(&o)
	}
}

// endFor ends the run's context with the error of an outcome. The worker may return ErrStopping though nobody has stopped it:
// then the cause is another error, so that the run does not look as if it was stopped.
func (r *run) endFor(o *outcome) {
	cause := o.err
	if o.kind == lifecycle.Failed && cause == ErrStopping { //nolint:errorlint // see wasAsked
		cause = safecall.WithText(cause, o.text)
	}
	r.lifetime().end(cause)
}

func (r *run) goroutineEnded() {
	mu := &r.replica.pool.mu
	mu.Lock()
	defer mu.Unlock()
	g := r.goroutines.Load()
	if g.running--; g.running == 0 && g.none != nil {
		close(g.none)
		g.none = nil
	}
}

// hasGoroutines tells whether goroutines of the run go on. The pool's lock is held.
func (r *run) hasGoroutines() bool {
	g := r.goroutines.Load()
	return g != nil && g.running > 0
}

// join waits until the goroutines of the run have ended. If one of them ended the run, o becomes its outcome.
func (r *run) join(o *outcome) {
	g := r.goroutines.Load()
	if g == nil {
		return
	}
	if o.err != nil {
		r.endFor(o)
	}
	mu := &r.replica.pool.mu
	mu.Lock()
	for g.running > 0 {
		if g.none == nil {
			g.none = make(chan struct{})
		}
		none := g.none
		mu.Unlock()
		<-none
		mu.Lock()
	}
	failed := g.failed
	g.failed = nil
	mu.Unlock()
	*o = o.orGoroutine(failed)
}

// orGoroutine returns the outcome of a run that ended with o, and whose goroutine ended it with failed, if it is not nil.
func (o outcome) orGoroutine(failed *outcome) outcome {
	switch {
	case failed == nil:
		return o
	case o.kind == lifecycle.Succeeded, o.kind == lifecycle.Finished, o.kind == lifecycle.Obeyed, o.kind == lifecycle.Skipped,
		o.kind == lifecycle.Stuck && !o.ownError && failed.ownError: // it obeyed, and the goroutine did not
		return *failed
	}
	o.panicked = o.panicked || failed.panicked
	if failed.kind == lifecycle.GaveUp {
		o.kind = lifecycle.GaveUp
	}
	switch {
	case o.kind == lifecycle.Stuck && !failed.ownError: // the goroutine obeyed
		return o
	case failed.err == nil, safecall.Is(o.err, failed.err): // the error of the goroutine is in that of Run
		return o
	}
	o.text = fmt.Sprintf("%s; then it ended with: %s", failed.text, o.text)
	o.err = &jointError{failed.err, o.err, o.text}
	return o
}
