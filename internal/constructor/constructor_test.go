package constructor_test

import (
	"errors"
	"io"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx/internal/constructor"
)

type thing struct{ n int }

var errBroken = errors.New("broken")

func newThing(n int) *thing                             { return &thing{n} }
func newNil() (io.Reader, error)                        { return (*nilReader)(nil), nil }
func newBroken(...int) (*thing, error)                  { return nil, errBroken }
func newVariadic(name string, rest ...int) (int, error) { return len(name) + len(rest), nil }
func newNothing()                                       {}
func newTwo() (int, int)                                { return 0, 0 }

type nilReader struct{}

func (*nilReader) Read([]byte) (int, error) { return 0, io.EOF }

func TestInspectTellsNameResultAndFunction(t *testing.T) {
	for _, fn := range []any{newThing, fx.Annotate(newThing, fx.ParamTags(`name:"n"`))} {
		c, err := constructor.Inspect("p.Provide", fn)
		require.NoError(t, err)
		assert.Equal(t, "github.com/workerfx/workerfx/internal/constructor_test.newThing", c.Name)
		assert.Equal(t, reflect.TypeFor[*thing](), c.Result)
		assert.Equal(t, reflect.ValueOf(newThing).Pointer(), reflect.ValueOf(c.Function).Pointer())
		assert.Equal(t, `name:"constructor_test.newThing #3"`, c.Tag(3))
		assert.EqualError(t, c.Errorf("has %d faults", 2), "p.Provide("+c.Name+"): has 2 faults")
	}
}

func TestInspectRefusesWhatIsNoConstructor(t *testing.T) {
	var none func() int
	for _, fn := range []any{nil, 7, none, fx.Annotate(7), fx.Annotated{Group: "g", Target: newThing}, struct{ Target any }{newThing}} {
		_, err := constructor.Inspect("p.Provide", fn)
		assert.ErrorContains(t, err, "p.Provide: got ", "%v", fn)
	}
	for _, fn := range []any{newNothing, newTwo} {
		_, err := constructor.Inspect("p.Provide", fn)
		assert.ErrorContains(t, err, "must return one thing and at most an error beside it")
	}
}

func TestCallReturnsTheValueOrTheError(t *testing.T) {
	for _, tt := range []struct {
		fn   any
		args []any
		want any
		err  string
	}{
		{newThing, []any{3}, &thing{3}, ""},
		{newNil, nil, nil, "returned a nil io.Reader"},
		{newBroken, []any{[]int(nil)}, nil, "broken"},
		{newVariadic, []any{"abc", []int{1, 2}}, 5, ""},
	} {
		c, err := constructor.Inspect("p.Provide", tt.fn)
		require.NoError(t, err)
		var args []reflect.Value
		for _, arg := range tt.args {
			args = append(args, reflect.ValueOf(arg))
		}
		made, err := c.Call(args)
		if tt.err != "" {
			assert.ErrorContains(t, err, tt.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, tt.want, made)
	}
}

func TestLocateMakesFxNameTheFunction(t *testing.T) {
	annotated := fx.Annotate(newBroken, fx.ResultTags(`name:"x"`))
	assert.Len(t, constructor.Annotations[fx.Annotation](annotated), 1)
	assert.Empty(t, constructor.Annotations[fx.Annotation](newBroken))
	err := fx.New(fx.NopLogger, fx.Provide(constructor.Locate(annotated, newBroken)),
		fx.Invoke(fx.Annotate(func(*thing) {}, fx.ParamTags(`name:"x"`)))).Err()
	require.ErrorIs(t, err, errBroken)
	assert.Contains(t, err.Error(), "newBroken")
	assert.Equal(t, 7, constructor.Locate(7, newBroken), "nothing of Fx's")
}
