package health

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Check is one thing that has to be well for the process to be ready.
type Check struct {
	// Name stands in the answer, and in ?exclude. It should be short and unique.
	Name string
	// Check returns nil if all is well. Its context ends with the request, at the latest after 5s; one that does not heed
	// that has failed. It is called in goroutines of its own, a few at a time at most, and beside the other checks. A panic
	// counts as a failure.
	Check func(ctx context.Context) error
}

const (
	checkTimeout = 5 * time.Second        // bounds one request's checks
	moment       = 100 * time.Millisecond // for a check to come back once its time is over
	maxCalls     = 8                      // of one check at a time: one that hangs must not cost a goroutine each time
	maxTitle     = 200                    // of a check, in bytes
	maxText      = 32 << 10               // of what it says, in bytes
)

// asker calls one check.
type asker struct {
	Check

	title string        // of its lines
	turns chan struct{} // holds as many as calls go on
}

func newAsker(check Check) *asker {
	return &asker{Check: check, title: titleOf(check.Name), turns: make(chan struct{}, maxCalls)}
}

// answer is what came of a check.
type answer struct {
	why    string // it failed
	failed bool
}

func failure(why string) answer { return answer{why, true} }

// ask calls the check in a goroutine, and returns where its answer comes.
func (a *asker) ask(ctx context.Context) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		result := failure("ended its goroutine")
		defer func() {
			if recover() != nil {
				result = failure("panic: a value that panics when it is printed")
			}
			answers <- result
		}()
		if !a.takeTurn(ctx) {
			result = failure(fmt.Sprintf("was not asked: %v; %d calls of it go on", context.Cause(ctx), len(a.turns)))
			return
		}
		defer func() { <-a.turns }()
		result = a.call(ctx)
	}()
	return answers
}

// takeTurn waits until the check may be called, and tells whether it may.
func (a *asker) takeTurn(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case a.turns <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// call calls the check, which is the user's code like the methods of its error.
func (a *asker) call(ctx context.Context) (result answer) {
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

// await returns the answer of a check, or that it has none once it is late.
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

// titleOf is a check's name as it is shown: in quotes if it could pass for something else.
func titleOf(name string) string {
	text := name[:min(len(name), maxTitle)]
	if text == "" || strings.ContainsFunc(text, isHostile) {
		return strconv.Quote(text)
	}
	return text
}

// readable is what a check says, without what would do harm where it is shown.
func readable(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r != '\n' && isHostile(r) {
			return ' '
		}
		return r
	}, strings.TrimRight(text, "\r\n"))
}

// isHostile tells whether a character is not just one to be seen.
func isHostile(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
