// Package constructor looks into the functions that users give a container: what they make, and where they are.
//
// It knows what fx.Annotate returns, by its shape, and imports neither Fx nor dig.
package constructor

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"slices"

	"github.com/workerfx/workerfx/internal/nilcheck"
)

// Constructor is a function that makes one thing, and may fail.
type Constructor struct {
	Name   string
	Result reflect.Type
	// Function is the function itself, without what fx.Annotate adds to it.
	Function any

	caller string // the function that it was given to
}

var errorType = reflect.TypeFor[error]()

// Inspect looks into a function that was given to caller. The function may be one that fx.Annotate returned.
func Inspect(caller string, fn any) (Constructor, error) {
	v := reflect.ValueOf(fn)
	if isAnnotated(v) {
		v = v.FieldByName("Target").Elem()
	}
	if v.Kind() != reflect.Func || v.IsNil() {
		return Constructor{}, fmt.Errorf("%s: got %T, want a constructor", caller, fn)
	}
	t := v.Type()
	c := Constructor{Name: runtime.FuncForPC(v.Pointer()).Name(), Function: v.Interface(), caller: caller}
	if t.NumOut() == 0 || t.NumOut() > 2 || t.NumOut() == 2 && t.Out(1) != errorType {
		return c, c.Errorf("%v must return one thing and at most an error beside it", t)
	}
	c.Result = t.Out(0)
	return c, nil
}

// InspectFor is Inspect for a function that must make a T. Fx would leave out what it makes of another type.
func InspectFor[T any](caller string, fn any) (Constructor, error) {
	c, err := Inspect(caller, fn)
	if want := reflect.TypeFor[T](); err == nil && c.Result != want {
		err = c.Errorf("%v is not a %v", c.Result, want)
	}
	return c, err
}

// Tag returns a tag that names a value of Fx after the constructor: its package, its function and a number.
func (c *Constructor) Tag(number int64) string {
	return fmt.Sprintf("name:%q", fmt.Sprintf("%s #%d", path.Base(c.Name), number))
}

// Errorf returns an error that names the constructor, and what it was given to.
func (c *Constructor) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s(%s): %s", c.caller, c.Name, fmt.Sprintf(format, args...))
}

// CheckMade returns an error if the constructor returned nil without an error.
func (c *Constructor) CheckMade(made any) error {
	if nilcheck.IsNil(made) {
		return fmt.Errorf("%s: the constructor returned a nil %v", c.Name, c.Result)
	}
	return nil
}

// Call calls the constructor with arguments as reflect.MakeFunc passes them.
func (c *Constructor) Call(args []reflect.Value) (made any, err error) {
	fn := reflect.ValueOf(c.Function)
	call := fn.Call
	if fn.Type().IsVariadic() {
		call = fn.CallSlice
	}
	results := call(args)
	if len(results) == 2 && !results[1].IsNil() {
		err, _ = reflect.TypeAssert[error](results[1])
		return nil, err
	}
	made = results[0].Interface()
	return made, c.CheckMade(made)
}

// Convert returns a function that takes what the constructor takes, and returns what convert makes of its result, and an
// error.
func Convert[To any](c Constructor, convert func(made any) (To, error)) any {
	t := reflect.TypeOf(c.Function)
	signature := reflect.FuncOf(slices.Collect(t.Ins()), []reflect.Type{reflect.TypeFor[To](), errorType}, t.IsVariadic())
	return reflect.MakeFunc(signature, func(args []reflect.Value) []reflect.Value {
		var to To
		made, err := c.Call(args)
		if err == nil {
			to, err = convert(made)
		}
		return []reflect.Value{reflect.ValueOf(&to).Elem(), reflect.ValueOf(&err).Elem()}
	}).Interface()
}

// Annotations returns the annotations of a function that fx.Annotate returned, as a list of A. It returns none for any
// other function.
func Annotations[A any](fn any) []A {
	v := reflect.ValueOf(fn)
	if !isAnnotated(v) {
		return nil
	}
	annotations, _ := reflect.TypeAssert[[]A](v.FieldByName("Annotations"))
	return annotations
}

// Locate makes Fx name fn in its errors about annotated, which fx.Annotate returned for fn. Fx 1.24 has a field for
// that and does not set it: its errors name reflect.makeFuncStub.
func Locate(annotated, fn any) any {
	v := reflect.ValueOf(annotated)
	if !isAnnotated(v) || reflect.ValueOf(fn).Kind() != reflect.Func {
		return annotated
	}
	located := reflect.New(v.Type()).Elem()
	located.Set(v)
	if location := located.FieldByName("FuncPtr"); location.Kind() == reflect.Uintptr {
		location.SetUint(uint64(reflect.ValueOf(fn).Pointer()))
	}
	return located.Interface()
}

// isAnnotated tells whether fx.Annotate returned v.
func isAnnotated(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && v.Type().PkgPath() == "go.uber.org/fx" && v.FieldByName("Annotations").IsValid() // fx.Annotated has none
}
