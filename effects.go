package workerfx

// sideEffects are what must wait until the pool's lock is free: ends of contexts, which may call the user's code, and
// lines in the log. They are added while the lock is held. perform is called when it is free.
type sideEffects struct {
	runs  []*run
	lines []func()
}

// cancel ends a run's context.
func (e *sideEffects) cancel(r *run) { e.runs = append(e.runs, r) }

// log writes a line.
func (e *sideEffects) log(write func()) { e.lines = append(e.lines, write) }

// perform does all of them. The contexts end first: the log sink may end the goroutine.
func (e *sideEffects) perform() {
	for _, r := range e.runs {
		r.cancel()
	}
	for _, write := range e.lines {
		write()
	}
}
