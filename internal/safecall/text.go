// Package safecall has what the pool keeps of errors and panics of user code: their texts and stacks.
//
// The methods of an error or of a panic's value are user code too. They may panic, return a text of any
// length, block, or end the goroutine. The package handles the first two. It cannot handle the last two:
// call it only in a goroutine that may block and end, such as that of a run. The package knows nothing of
// workers, runs and logs.
package safecall

import (
	"fmt"
	"unicode/utf8"

	"github.com/workerfx/workerfx/internal/text"
)

// ErrorText returns err's text and the error to keep. If the text is too long or not valid UTF-8, both
// have a shorter text. [errors.Is] and [errors.As] find err in the error to keep. ErrorText calls err's
// Error method and does not recover its panic.
func ErrorText(err error) (shown string, kept error) {
	shown = err.Error()
	if len(shown) <= text.MaxText && utf8.ValidString(shown) {
		return shown, err
	}
	shown = text.Cut(shown, text.MaxText)
	return shown, WithText(err, shown)
}

// WithText returns an error with another text. [errors.Is] and [errors.As] find err in it.
func WithText(err error, shown string) error { return &textError{err: err, text: shown} }

type textError struct {
	err  error
	text string
}

func (e *textError) Error() string { return e.text }
func (e *textError) Unwrap() error { return e.err }

// PanicText returns what an error says about a panic with this value. See [ValueText].
func PanicText(value any) string { return text.Cut("panic: "+ValueText(value), text.MaxText) }

// ValueText returns the value of a panic as text of bounded length. It calls the value's Error or String
// method. If that panics, the text says so.
func ValueText(value any) (shown string) {
	defer func() {
		if recover() != nil { // fmt panics if the value of the method's panic panics too
			shown = text.Cut(fmt.Sprintf("%T that panics when it is printed", value), text.MaxText)
		}
	}()
	return text.Cut(printed(value), text.MaxText)
}

// printed prefers an error's Error method to its Format method.
func printed(value any) (shown string) {
	switch v := value.(type) {
	case string:
		return v
	case error:
		defer func() {
			if recover() != nil {
				shown = fmt.Sprint(value)
			}
		}()
		return v.Error()
	}
	return fmt.Sprint(value)
}
