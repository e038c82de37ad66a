package workerfx

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// UnmarshalJSON reads a config whose durations are strings such as "1m30s", or nanoseconds.
func (c *Config) UnmarshalJSON(data []byte) error {
	type plain Config
	return unmarshalDurations(data, (*plain)(c))
}

// UnmarshalJSON reads a config whose durations are strings such as "1m30s", or nanoseconds.
func (c *WorkerConfig) UnmarshalJSON(data []byte) error {
	type plain WorkerConfig
	return unmarshalDurations(data, (*plain)(c))
}

// UnmarshalJSON reads a config whose durations are strings such as "1m30s", or nanoseconds.
func (c *MetricsConfig) UnmarshalJSON(data []byte) error {
	type plain MetricsConfig
	return unmarshalDurations(data, (*plain)(c))
}

// UnmarshalJSON reads a backoff whose durations are strings such as "1m30s", or nanoseconds.
func (b *ExponentialBackoff) UnmarshalJSON(data []byte) error {
	type plain ExponentialBackoff
	return unmarshalDurations(data, (*plain)(b))
}

// UnmarshalJSON reads a limit whose durations are strings such as "1m30s", or nanoseconds.
func (l *FailureLimit) UnmarshalJSON(data []byte) error {
	type plain FailureLimit
	return unmarshalDurations(data, (*plain)(l))
}

// unmarshalDurations decodes a JSON object into a struct of which time.Duration fields may be strings.
func unmarshalDurations(data []byte, into any) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	t := reflect.TypeOf(into).Elem()
	for field := range t.Fields() {
		name := field.Tag.Get("json")
		raw, ok := fields[name]
		if !ok || !holdsDuration(field.Type) {
			continue
		}
		nanoseconds, err := parseDurations(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fields[name] = nanoseconds
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func holdsDuration(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t == reflect.TypeFor[time.Duration]()
}

// parseDurations turns a duration string, or a list of them, into nanoseconds; other JSON it leaves as it is.
func parseDurations(raw json.RawMessage) (json.RawMessage, error) {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, err
		}
		return json.Marshal(d)
	case []any:
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
		for i := range list {
			parsed, err := parseDurations(list[i])
			if err != nil {
				return nil, err
			}
			list[i] = parsed
		}
		return json.Marshal(list)
	}
	return raw, nil
}
