package safecall_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/safecall"
)

func TestErrorTextKeepsAnErrorThatIsFine(t *testing.T) {
	shown, kept := safecall.ErrorText(io.EOF)
	assert.Equal(t, "EOF", shown)
	assert.Same(t, io.EOF, kept)
}

func TestErrorTextShortensTheTextAndKeepsTheError(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"too long", strings.Repeat("x", 3000), strings.Repeat("x", 2045) + "…"},
		{"not UTF-8", "a\xff", "a\uFFFD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := &customError{text: tt.in}
			shown, kept := safecall.ErrorText(fmt.Errorf("%w", err))
			assert.Equal(t, tt.want, shown)
			require.EqualError(t, kept, tt.want)
			require.ErrorIs(t, kept, err)
			var found *customError
			require.ErrorAs(t, kept, &found)
			assert.Same(t, err, found)
		})
	}
}

func TestWithTextReplacesTheTextOnly(t *testing.T) {
	err := safecall.WithText(errors.Join(io.EOF, io.ErrClosedPipe), "both")
	require.EqualError(t, err, "both")
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, err, io.ErrClosedPipe)
}

func TestValueTextShowsAnyValueOfAPanic(t *testing.T) {
	var nilError *customError
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"string", "text", "text"},
		{"number", 7, "7"},
		{"nil", nil, "<nil>"},
		{"error", io.EOF, "EOF"},
		{"stringer", stringer{}, "from String"},
		{"error with a format of its own", formatted{}, "from Error"},
		{"nil pointer to an error", nilError, "<nil>"},
		{"error that panics", panics{"broken"}, "%!v(PANIC=Error method: broken)"},
		{"error whose panic panics", panics{panics{"broken"}}, "safecall_test.panics that panics when it is printed"},
		{"error that panics with itself", endless{}, "safecall_test.endless that panics when it is printed"},
		{"not UTF-8", "a\xff", "a\uFFFD"},
		{"too long", strings.Repeat("x", 3000), strings.Repeat("x", 2045) + "…"},
		{"stringer whose text is too long", long{}, strings.Repeat("y", 2045) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, safecall.ValueText(tt.value))
		})
	}
}

func TestPanicTextSaysThatItWasAPanic(t *testing.T) {
	assert.Equal(t, "panic: text", safecall.PanicText("text"))
	assert.Equal(t, "panic: EOF", safecall.PanicText(io.EOF))
	assert.Equal(t, "panic: "+strings.Repeat("y", 2038)+"…", safecall.PanicText(long{}))
}

type customError struct{ text string }

func (e *customError) Error() string { return e.text }

type stringer struct{}

func (stringer) String() string { return "from String" }

type long struct{}

func (long) String() string { return strings.Repeat("y", 1<<20) }

type formatted struct{}

func (formatted) Error() string              { return "from Error" }
func (formatted) Format(s fmt.State, _ rune) { fmt.Fprint(s, "from Format") }

type panics struct{ value any }

func (p panics) Error() string { panic(p.value) }

type endless struct{}

func (e endless) Error() string { panic(e) }
