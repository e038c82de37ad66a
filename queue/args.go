package queue

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
)

// checkArgs returns the kind of arguments, or an error if a job cannot have them. The error begins with caller.
func checkArgs(caller string, args Args) (kind string, err error) {
	v := reflect.ValueOf(args)
	if args == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return "", fmt.Errorf("%s: the arguments are nil", caller)
	}
	kind = args.Kind()
	if err := checkKind(v.Type(), kind); err != nil {
		return "", fmt.Errorf("%s: %w", caller, err)
	}
	return kind, checkObject(caller, kind, args)
}

// checkObject returns an error if arguments do not encode to a JSON object, as River needs it.
func checkObject(caller, kind string, args Args) error {
	_, ownJSON := args.(json.Marshaler)
	_, ownText := args.(encoding.TextMarshaler)
	t := reflect.TypeOf(args)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && !ownJSON && !ownText {
		return nil // a struct encodes to an object, and River encodes it later
	}
	data, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s %q: encode the arguments: %w", caller, kind, err)
	}
	if data = bytes.TrimSpace(data); !bytes.HasPrefix(data, []byte("{")) {
		return fmt.Errorf("%s %q: arguments %.40s: a %T must encode to a JSON object, put it into a struct", caller, kind, data, args)
	}
	return nil
}
