package workerfx

// afterwards collects what has to follow from a change, and must not happen while the pool's lock is held: the end of
// contexts, which may call the user's code, and lines in the log.
type afterwards struct {
	runs  []*run
	lines []func()
}

// cancel ends a run's context.
func (a *afterwards) cancel(r *run) { a.runs = append(a.runs, r) }

// log writes a line.
func (a *afterwards) log(write func()) { a.lines = append(a.lines, write) }

// do does it all. The contexts end first: the log sink may end the goroutine.
func (a *afterwards) do() {
	for _, r := range a.runs {
		r.cancel()
	}
	for _, write := range a.lines {
		write()
	}
}
