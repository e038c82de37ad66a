// Package nilcheck finds values that are nil, also inside of an interface.
package nilcheck

import "reflect"

// IsNil tells whether v is nil, or an interface around a nil pointer, function, map, slice or channel.
func IsNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
