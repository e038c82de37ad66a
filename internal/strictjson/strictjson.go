// Package strictjson reads JSON into structs as encoding/json does, but for two things. Durations are strings such
// as "1m30s", or nanoseconds. An unknown field is an error, at any depth, that says where the field is and which
// known one is close.
//
// It calls no UnmarshalJSON method: types may call it from theirs. It knows nothing of workers.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/text"
)

// Unmarshal reads a document into what into points to. Fields of structs need a json tag.
func Unmarshal(data []byte, into any) error {
	return field{raw: data}.decode(reflect.ValueOf(into).Elem())
}

// field is a part of a document, and where it stands there: "workers.mailer.maxAttempts".
type field struct {
	path string
	raw  json.RawMessage
}

// decode reads the field as encoding/json does, but for durations and unknown fields.
func (f field) decode(into reflect.Value) error {
	t := into.Type()
	switch {
	case string(bytes.TrimSpace(f.raw)) == "null":
		if t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
			into.SetZero()
		}
		return nil
	case t == reflect.TypeFor[time.Duration]():
		return f.decodeDuration(into)
	}
	switch t.Kind() {
	case reflect.Pointer:
		if into.IsNil() {
			into.Set(reflect.New(t.Elem()))
		}
		return f.decode(into.Elem())
	case reflect.Struct:
		return f.decodeStruct(into)
	case reflect.Map:
		return f.decodeMap(into)
	case reflect.Slice:
		return f.decodeList(into)
	default:
		return f.decodeValue(into.Addr().Interface(), t.String())
	}
}

// decodeValue reads what encoding/json can read by itself. An error contains wanted, a description of the right value.
func (f field) decodeValue(into any, wanted string) error {
	err := json.Unmarshal(f.raw, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("%s is not of type %s", text.Cut(string(f.raw), text.MaxName), wanted)
	}
	return f.wrap(err)
}

func (f field) decodeDuration(into reflect.Value) error {
	var s string
	if json.Unmarshal(f.raw, &s) != nil {
		return f.decodeValue(into.Addr().Interface(), "duration")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return f.wrap(err)
	}
	into.SetInt(int64(d))
	return nil
}

func (f field) decodeStruct(into reflect.Value) error {
	return f.each(func(name string, value field) error {
		index, known := fieldNamed(into.Type(), name)
		if index == nil {
			return value.wrap(fmt.Errorf("unknown field%s", names.DidYouMean(name, known)))
		}
		return value.decode(into.FieldByIndex(index))
	})
}

// fieldNamed finds a field by its name in JSON. If none is written exactly so, upper and lower case are the same. It also
// returns the names that there are.
func fieldNamed(t reflect.Type, name string) (index []int, known []string) {
	for field := range t.Fields() {
		is, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known = append(known, is)
		if is == name {
			return field.Index, known
		}
		if index == nil && strings.EqualFold(is, name) {
			index = field.Index
		}
	}
	return index, known
}

func (f field) decodeMap(into reflect.Value) error {
	return f.each(func(name string, value field) error {
		element := reflect.New(into.Type().Elem()).Elem()
		if err := value.decode(element); err != nil {
			return err
		}
		if into.IsNil() {
			into.Set(reflect.MakeMap(into.Type()))
		}
		into.SetMapIndex(reflect.ValueOf(name), element)
		return nil
	})
}

// decodeList reads a list. An empty one becomes nil.
func (f field) decodeList(into reflect.Value) error {
	var list []json.RawMessage
	if err := f.decodeValue(&list, "list"); err != nil {
		return err
	}
	into.SetZero()
	for i, raw := range list {
		element := reflect.New(into.Type().Elem()).Elem()
		if err := (field{fmt.Sprintf("%s[%d]", f.path, i), raw}).decode(element); err != nil {
			return err
		}
		into.Set(reflect.Append(into, element))
	}
	return nil
}

// each calls do for the fields of an object, in their order.
func (f field) each(do func(name string, value field) error) error {
	var object map[string]json.RawMessage
	if err := f.decodeValue(&object, "object"); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(f.raw))
	_, err := decoder.Token() // the brace
	for err == nil && decoder.More() {
		var token json.Token
		if token, err = decoder.Token(); err != nil {
			break
		}
		name, _ := token.(string)
		value := field{path: name}
		if f.path != "" {
			value.path = f.path + "." + name
		}
		if err = decoder.Decode(&value.raw); err != nil {
			break
		}
		if err := do(name, value); err != nil {
			return err
		}
	}
	return f.wrap(err)
}

// wrap says where an error is.
func (f field) wrap(err error) error {
	if err == nil || f.path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", text.Cut(f.path, text.MaxName), err)
}
