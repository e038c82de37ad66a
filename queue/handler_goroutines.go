package queue

import (
	"runtime/debug"
	"strings"
	"sync"

	"github.com/workerfx/workerfx"
)

// handlerGoroutines are the goroutines in which handlers and hooks are called. They are not River's goroutines, as
// a handler may end its goroutine (runtime.Goexit). Idle goroutines are kept for the next attempt. The stack of a
// new goroutine would have to grow, which costs more than all else around an attempt. The zero value keeps none.
type handlerGoroutines struct {
	maxIdle int // idle goroutines that are kept

	mu    sync.Mutex // guards the fields below
	idle  []*handlerGoroutine
	ended bool
}

// call calls do in one of the goroutines, and waits for it. A panic is an error with its stack.
func (g *handlerGoroutines) call(do func() error) error {
	goroutine := g.take()
	goroutine.calls <- do
	r := <-goroutine.results
	if !r.ended {
		g.giveBack(goroutine)
	}
	return r.err
}

func (g *handlerGoroutines) take() *handlerGoroutine {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.idle); n > 0 {
		goroutine := g.idle[n-1]
		g.idle = g.idle[:n-1]
		return goroutine
	}
	goroutine := &handlerGoroutine{calls: make(chan func() error), results: make(chan result)}
	go goroutine.loop()
	return goroutine
}

func (g *handlerGoroutines) giveBack(goroutine *handlerGoroutine) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended || len(g.idle) == g.maxIdle {
		close(goroutine.calls)
		return
	}
	g.idle = append(g.idle, goroutine)
}

// end ends the idle goroutines. The others end when they are idle.
func (g *handlerGoroutines) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	for _, goroutine := range g.idle {
		close(goroutine.calls)
	}
	g.idle = nil
}

// handlerGoroutine is a goroutine that calls one function after the other.
type handlerGoroutine struct {
	calls   chan func() error // closed when there will be none
	results chan result       // one for each call
}

// result is the result of a call.
type result struct {
	err   error
	ended bool // the call has ended the goroutine
}

func (g *handlerGoroutine) loop() {
	for do := range g.calls {
		g.call(do)
	}
}

func (g *handlerGoroutine) call(do func() error) {
	r := result{err: workerfx.ErrGoexit, ended: true}
	defer func() {
		if value := recover(); value != nil {
			r = result{err: &workerfx.PanicError{Value: value, Stack: debug.Stack()}}
		}
		g.results <- r
	}()
	r = result{err: stored(do())}
}

// storedError is an error with a text that can be stored.
type storedError struct {
	error

	text string
}

func (e *storedError) Error() string { return e.text }
func (e *storedError) Unwrap() error { return e.error }

// stored returns an error with a text that the database can store. PostgreSQL has no zero bytes in JSON. If it
// refuses the end of one attempt, the ends of others wait. The Error method is called here, where it may panic.
func stored(err error) error {
	if err == nil {
		return nil
	}
	return &storedError{err, storable(err.Error())}
}

func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}
