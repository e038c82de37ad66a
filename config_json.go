package workerfx

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

// MarshalJSON writes the fields that are set.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	return json.Marshal(struct {
		plain
		Metrics  MetricsConfig `json:"metrics,omitzero"`
		Defaults WorkerConfig  `json:"defaults,omitzero"`
	}{plain(c), c.Metrics, c.Defaults})
}

// UnmarshalJSON reads a config. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (c *Config) UnmarshalJSON(data []byte) error { return decodeJSON(data, c) }

// UnmarshalJSON reads a config. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (c *WorkerConfig) UnmarshalJSON(data []byte) error { return decodeJSON(data, c) }

// UnmarshalJSON reads a config. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (c *MetricsConfig) UnmarshalJSON(data []byte) error { return decodeJSON(data, c) }

// UnmarshalJSON reads a backoff. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (b *ExponentialBackoff) UnmarshalJSON(data []byte) error { return decodeJSON(data, b) }

// UnmarshalJSON reads a limit. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (l *FailureLimit) UnmarshalJSON(data []byte) error { return decodeJSON(data, l) }

func decodeJSON(data []byte, into any) error {
	return jsonField{raw: data}.decode(reflect.ValueOf(into).Elem())
}

// jsonField is a part of a JSON document, and where it stands there: "workers.mailer.maxAttempts".
type jsonField struct {
	path string
	raw  json.RawMessage
}

// decode reads the field as encoding/json does, but for durations and unknown fields.
func (f jsonField) decode(into reflect.Value) error {
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

// decodeValue reads what encoding/json can read by itself. wanted says in an error what should stand there.
func (f jsonField) decodeValue(into any, wanted string) error {
	err := json.Unmarshal(f.raw, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		err = fmt.Errorf("%s is not of type %s", text.Cut(string(f.raw), text.MaxName), wanted)
	}
	return f.errorf(err)
}

func (f jsonField) decodeDuration(into reflect.Value) error {
	var s string
	if json.Unmarshal(f.raw, &s) != nil {
		return f.decodeValue(into.Addr().Interface(), "duration")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return f.errorf(err)
	}
	into.SetInt(int64(d))
	return nil
}

func (f jsonField) decodeStruct(into reflect.Value) error {
	return f.each(func(name string, value jsonField) error {
		field, known := fieldNamed(into.Type(), name)
		if field == nil {
			return value.errorf(fmt.Errorf("unknown field%s", names.DidYouMean(name, known)))
		}
		return value.decode(into.FieldByIndex(field))
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

func (f jsonField) decodeMap(into reflect.Value) error {
	return f.each(func(name string, value jsonField) error {
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
func (f jsonField) decodeList(into reflect.Value) error {
	var list []json.RawMessage
	if err := f.decodeValue(&list, "list"); err != nil {
		return err
	}
	into.SetZero()
	for i, raw := range list {
		element := reflect.New(into.Type().Elem()).Elem()
		if err := (jsonField{fmt.Sprintf("%s[%d]", f.path, i), raw}).decode(element); err != nil {
			return err
		}
		into.Set(reflect.Append(into, element))
	}
	return nil
}

// each calls do for the fields of an object, in their order.
func (f jsonField) each(do func(name string, value jsonField) error) error {
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
		value := jsonField{path: name}
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
	return f.errorf(err)
}

// errorf says where an error is.
func (f jsonField) errorf(err error) error {
	if err == nil || f.path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", text.Cut(f.path, text.MaxName), err)
}
