package health

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Check is one condition for the process to be ready.
type Check struct {
	// Name is the name in the answer and in ?exclude. It should be short and unique.
	Name string
	// Check returns nil if all is well. Its context ends with the request, and at the latest after 5s. A check that
	// does not return then has failed. It is called in a goroutine of its own, beside the other checks, and a few
	// times at the same time at most. A panic is a failure.
	Check func(ctx context.Context) error
}

const (
	checkTimeout = 5 * time.Second        // bounds one request's checks
	answerGrace  = 100 * time.Millisecond // for a check to return after its time is over
	maxCalls     = 8                      // of one check at the same time, as a check may hang
	maxTitle     = 200                    // of a check, in bytes
	maxText      = 32 << 10               // of the text of a check, in bytes
)

// checkRunner calls one check.
type checkRunner struct {
	Check

	title     string        // of its lines
	semaphore chan struct{} // has an element for each call that goes on
}

func newCheckRunner(check Check) *checkRunner {
	return &checkRunner{Check: check, title: titleOf(check.Name), semaphore: make(chan struct{}, maxCalls)}
}

// answer is the result of a check.
type answer struct {
	why    string // it failed
	failed bool
}

func failure(why string) answer { return answer{why, true} }

// start calls the check in a goroutine, and returns the channel of its answer.
func (a *checkRunner) start(ctx context.Context) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		result := failure("ended its goroutine")
		defer func() {
			if recover() != nil {
				result = failure("panic: a value that panics when it is printed")
			}
			answers <- result
		}()
		if !a.acquire(ctx) {
			result = failure(fmt.Sprintf("was not asked: %v; %d calls of it go on", context.Cause(ctx), len(a.semaphore)))
			return
		}
		defer func() { <-a.semaphore }()
		result = a.call(ctx)
	}()
	return answers
}

// acquire waits until the check may be called. It returns false if ctx ends first.
func (a *checkRunner) acquire(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case a.semaphore <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// call calls the check and the methods of its error, which are user code.
func (a *checkRunner) call(ctx context.Context) (result answer) {
	defer func() {
		if value := recover(); value != nil {
			result = failure(fmt.Sprintf("panic: %v", value))
		}
	}()
	if a.Check.Check == nil {
		return failure("has no function")
	}
	if err := a.Check.Check(ctx); err != nil {
		return failure(err.Error())
	}
	return answer{}
}

// await returns the answer of a check, or a failure if it is late.
func await(ctx, late context.Context, answers <-chan answer) answer {
	select {
	case result := <-answers:
		return result
	case <-late.Done():
	}
	select {
	case result := <-answers:
		return result
	default:
		return failure(fmt.Sprintf("has not returned: %v", context.Cause(ctx)))
	}
}

// titleOf is the name of a check in the answer. It is in quotes if it could be taken for something else.
func titleOf(name string) string {
	text := name[:min(len(name), maxTitle)]
	if text == "" || strings.ContainsFunc(text, isUnsafe) {
		return strconv.Quote(text)
	}
	return text
}

// readable returns the text of a check without characters that could do harm in a terminal.
func readable(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && isUnsafe(r) {
			return ' '
		}
		return r
	}, strings.TrimRight(text, "\r\n"))
}

// isUnsafe tells whether a character could do harm in a terminal.
func isUnsafe(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
