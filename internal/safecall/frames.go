package safecall

import (
	"runtime"
	"slices"
	"strconv"
)

// maxFrames limits the stack that is kept of a panic. Without it, a panic in an endless recursion would
// keep a stack of many megabytes.
const maxFrames = 64

// Frames is a stack that is not formatted yet: program counters, the innermost frame first. They need a
// fraction of the memory and time of the text.
type Frames []uintptr

// PanicFrames returns the frames of the panic that a deferred function handles. Call it while that function
// runs, before or after it calls recover: the panic's frames are still on the stack.
//
// between is the number of functions between the deferred function and PanicFrames. It is 0 if the deferred
// function calls PanicFrames itself, and 1 if it calls a helper that does. The frames begin above the
// deferred function, with the runtime's own frames of the panic.
func PanicFrames(between int) Frames {
	const own = 3 // runtime.Callers, PanicFrames, the deferred function
	var frames [maxFrames]uintptr
	n := runtime.Callers(own+between, frames[:])
	return slices.Clone(frames[:n])
}

// Format returns the stack as the runtime writes it: a line with the function, then a line with file and
// line number. It has no arguments of functions.
func (f Frames) Format() []byte {
	var out []byte
	frames := runtime.CallersFrames(f)
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
