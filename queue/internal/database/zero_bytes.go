package database

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

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
