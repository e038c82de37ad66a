package workerfx

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
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
		return panicText(e.Value)
	}
	return e.text
}

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// maxFrames bounds the stack kept of a panic, so that endless recursion costs no more than any other panic.
const maxFrames = 64

// caughtPanic is a panic as its supervisor keeps it: program counters, which cost a fraction of a
// formatted stack. It turns into a *PanicError when somebody asks for one.
type caughtPanic struct {
	frames []uintptr
	format sync.Once // fills in public.Stack
	public PanicError
}

// catchPanic keeps a recovered value. It is called by the deferred function that recovered it, while
// the panicking frames are still on the stack.
func catchPanic(value any) *caughtPanic {
	const aboveDeferred = 3 // runtime.Callers, catchPanic, the deferred function
	var frames [maxFrames]uintptr
	n := runtime.Callers(aboveDeferred, frames[:])
	return &caughtPanic{frames: slices.Clone(frames[:n]), public: PanicError{Value: value, text: panicText(value)}}
}

func (p *caughtPanic) Error() string { return p.public.Error() }
func (p *caughtPanic) Unwrap() error { return p.public.Unwrap() }

// As makes the public error of the panic, with its stack formatted.
func (p *caughtPanic) As(target any) bool {
	public, ok := target.(**PanicError)
	if !ok {
		return false
	}
	p.format.Do(func() { p.public.Stack = formatFrames(p.frames) })
	*public = &p.public
	return true
}

// panicText is what an error says of a panic. See valueText.
func panicText(value any) string { return cut("panic: "+valueText(value), maxText) }

// valueText is a panic's value as text. The value's own String or Error may panic (fmt says so in the text, unless
// that panic's value does the same), block or end the goroutine: call it only where a run may do the last two.
func valueText(value any) (text string) {
	defer func() {
		if recover() != nil {
			text = cut(fmt.Sprintf("%T that panics when it is printed", value), maxText)
		}
	}()
	switch v := value.(type) {
	case string:
		return cut(v, maxText)
	case error:
		defer func() {
			if recover() != nil {
				text = cut(fmt.Sprint(value), maxText)
			}
		}()
		return cut(v.Error(), maxText)
	}
	return cut(fmt.Sprint(value), maxText)
}

// formatFrames writes frames as the runtime does: a function's name, then its file and line.
func formatFrames(pcs []uintptr) []byte {
	var out []byte
	frames := runtime.CallersFrames(pcs)
	for {
		frame, more := frames.Next()
		if frame.Function != "" {
			out = append(out, frame.Function...)
			out = append(out, "(...)\n\t"...)
			out = append(out, frame.File...)
			out = append(out, ':')
			out = strconv.AppendInt(out, int64(frame.Line), 10)
			out = append(out, '\n')
		}
		if !more {
			return out
		}
	}
}

// stackOf returns the stack of the panic in err's chain, or nil.
func stackOf(err error) []byte {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return p.Stack
	}
	return nil
}
