package queue

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// checkArgs returns the kind of arguments, or an error if they cannot be those of a job.
func checkArgs(args Args) (kind string, err error) {
	v := reflect.ValueOf(args)
	if args == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", errors.New("enqueue: the arguments are nil")
	}
	kind = args.Kind()
	if err := checkKind(v.Type(), kind); err != nil {
		return "", fmt.Errorf("enqueue: %w", err)
	}
	return kind, checkObject(kind, args)
}

// checkObject returns an error if arguments do not encode to a JSON object, as River needs it.
func checkObject(kind string, args Args) error {
	_, ownJSON := args.(json.Marshaler)
	_, ownText := args.(encoding.TextMarshaler)
	t := reflect.TypeOf(args)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && !ownJSON && !ownText {
		return nil // most are, and are encoded soon enough
	}
	data, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("enqueue %q: encode the arguments: %w", kind, err)
	}
	if data = bytes.TrimSpace(data); !bytes.HasPrefix(data, []byte("{")) {
		return fmt.Errorf("enqueue %q: arguments %.40s: a %T must encode to a JSON object, put it into a struct", kind, data, args)
	}
	return nil
}

// checkZeroBytes returns an error if a text in encoded arguments contains a zero byte. PostgreSQL cannot store it in
// JSON. It is refused on SQLite, too, so that a queue can move from one database to the other.
func checkZeroBytes(kind string, encoded []byte) error {
	if !bytes.Contains(encoded, []byte(`\u0000`)) {
		return nil
	}
	var args any
	if err := json.Unmarshal(encoded, &args); err != nil {
		return fmt.Errorf("arguments of kind %q: %w", kind, err)
	}
	if path := zeroByteIn(args, "arguments"); path != "" {
		return fmt.Errorf("%s of kind %q: there is a zero byte, which PostgreSQL cannot store", path, kind)
	}
	return nil // it was a backslash, and then the text u0000
}

// zeroByteIn returns the path of the first text with a zero byte in a JSON value, or "".
func zeroByteIn(value any, path string) string {
	switch value := value.(type) {
	case string:
		if strings.ContainsRune(value, 0) {
			return path
		}
	case []any:
		for i, item := range value {
			if found := zeroByteIn(item, fmt.Sprintf("%s[%d]", path, i)); found != "" {
				return found
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			if strings.ContainsRune(name, 0) {
				return fmt.Sprintf("%s, name %q,", path, name)
			}
			if found := zeroByteIn(value[name], path+"."+name); found != "" {
				return found
			}
		}
	}
	return ""
}
