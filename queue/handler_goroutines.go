package queue

import (
	"runtime/debug"
	"sync"

	"github.com/workerfx/workerfx"
)

// handlerGoroutines are the goroutines in which handlers and hooks are called. They are not River's goroutines, as
// a handler may end its goroutine (runtime.Goexit). Idle goroutines are kept for the next attempt: the stack of a
// new goroutine would have to grow, which costs more than all else around an attempt. The zero value keeps none.
type handlerGoroutines struct {
	most int // idle ones that are kept

	mu    sync.Mutex // guards those below
	idle  []*handlerGoroutine
	ended bool
}

// call calls do in one of the goroutines, and waits for it. A panic is an error with its stack.
func (c *handlerGoroutines) call(do func() error) error {
	one := c.take()
	one.calls <- do
	r := <-one.results
	if !r.gone {
		c.giveBack(one)
	}
	return r.err
}

func (c *handlerGoroutines) take() *handlerGoroutine {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		one := c.idle[n-1]
		c.idle = c.idle[:n-1]
		return one
	}
	one := &handlerGoroutine{calls: make(chan func() error), results: make(chan result)}
	go one.loop()
	return one
}

func (c *handlerGoroutines) giveBack(one *handlerGoroutine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) == c.most {
		close(one.calls)
		return
	}
	c.idle = append(c.idle, one)
}

// end ends the idle goroutines. The others end when they are idle.
func (c *handlerGoroutines) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, one := range c.idle {
		close(one.calls)
	}
	c.idle = nil
}

// handlerGoroutine is a goroutine that calls one function after the other.
type handlerGoroutine struct {
	calls   chan func() error // closed when there will be none
	results chan result       // one for each call
}

// result is the result of a call.
type result struct {
	err  error
	gone bool // the call has ended the goroutine
}

func (c *handlerGoroutine) loop() {
	for do := range c.calls {
		c.call(do)
	}
}

func (c *handlerGoroutine) call(do func() error) {
	r := result{err: workerfx.ErrGoexit, gone: true}
	defer func() {
		if value := recover(); value != nil {
			r = result{err: &workerfx.PanicError{Value: value, Stack: debug.Stack()}}
		}
		c.results <- r
	}()
	r = result{err: stored(do())}
}
