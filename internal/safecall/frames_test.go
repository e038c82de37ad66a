package safecall_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/safecall"
)

// called calls fn and returns the frames of its panic. The deferred function asks for them itself.
func called(fn func()) (frames safecall.Frames) {
	defer func() {
		_ = recover()
		frames = safecall.PanicFrames(0)
	}()
	fn()
	return nil
}

// calledWithHelper is called with a helper between the deferred function and PanicFrames.
func calledWithHelper(fn func()) (frames safecall.Frames) {
	defer func() { frames = helper(recover()) }()
	fn()
	return nil
}

func helper(any) safecall.Frames { return safecall.PanicFrames(1) }

func explode() { panic("boom") }

func explodeDeeply(depth int) {
	if depth == 0 {
		explode()
	}
	explodeDeeply(depth - 1)
}

func functions(frames safecall.Frames) (names []string) {
	for line := range strings.Lines(string(frames.Format())) {
		if name, ok := strings.CutSuffix(line, "(...)\n"); ok {
			names = append(names, name)
		}
	}
	return names
}

func TestPanicFramesBeginWithThePanic(t *testing.T) {
	const pkg = "github.com/workerfx/workerfx/internal/safecall_test."
	for name, call := range map[string]func(func()) safecall.Frames{"without helper": called, "with helper": calledWithHelper} {
		t.Run(name, func(t *testing.T) {
			found := functions(call(explode))
			require.GreaterOrEqual(t, len(found), 3)
			assert.Equal(t, "runtime.gopanic", found[0])
			assert.Equal(t, pkg+"explode", found[1])
			assert.Contains(t, found[2], pkg+"called")
		})
	}
}

func TestPanicFramesOfADeepPanicAreBounded(t *testing.T) {
	assert.Len(t, called(func() { explodeDeeply(10_000) }), 64)
}

func TestFormatNamesFileAndLine(t *testing.T) {
	assert.Regexp(t, `(?m)^\S+\.explode\(\.\.\.\)\n\t\S+/frames_test\.go:\d+$`, string(called(explode).Format()))
	assert.Empty(t, safecall.Frames(nil).Format())
}
