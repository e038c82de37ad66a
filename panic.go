package workerfx

import (
	"errors"
	"sync"

	"github.com/workerfx/workerfx/internal/safecall"
)

// PanicError is a panic of a worker's Run. Open it with [errors.As]; the error that reports and logs
// carry formats the stack only then. If the panic's value was an error, errors.Is and errors.As see it.
type PanicError struct {
	// Value is what was panicked with.
	Value any
	// Stack is the panicking goroutine's stack, innermost frame first.
	Stack []byte

	text string
}

// Error is "panic: " and the value.
func (e *PanicError) Error() string {
	if e.text == "" {
		return safecall.PanicText(e.Value)
	}
	return e.text
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// caughtPanic is a panic as the pool keeps it, with frames that are not formatted: that costs a fraction of a formatted
// stack. It turns into a *PanicError when somebody asks for one.
type caughtPanic struct {
	frames safecall.Frames
	format sync.Once // fills in public.Stack
	public PanicError
}

// catchPanic keeps a recovered value. It is called by the deferred function that recovered it, or with between functions
// between that one and this, while the panicking frames are still on the stack.
func catchPanic(value any, between int) *caughtPanic {
	return &caughtPanic{frames: safecall.PanicFrames(between + 1), public: PanicError{Value: value, text: safecall.PanicText(value)}}
}

func (p *caughtPanic) Error() string { return p.public.Error() }
func (p *caughtPanic) Unwrap() error { return p.public.Unwrap() }

// As makes the public error of the panic, with its stack formatted.
func (p *caughtPanic) As(target any) bool {
	public, ok := target.(**PanicError)
	if !ok {
		return false
	}
	p.format.Do(func() { p.public.Stack = p.frames.Format() })
	*public = &p.public
	return true
}

// stackOf returns the stack of the panic in err's chain, or nil.
func stackOf(err error) []byte {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return p.Stack
	}
	return nil
}
