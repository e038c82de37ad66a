package workerfx

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx/internal/cron"
)

// Source is where the value of a setting comes from.
type Source int

// The sources. A later one wins over an earlier one.
const (
	SourceDefault  Source = iota // the option's documented default
	SourceDefaults               // Config.Defaults
	SourceGroup                  // an option of the worker's group
	SourceCode                   // an option of the worker, or one given where it was added
	SourceOverride               // Config.Workers, by the name of the worker or of its group
	SourceCommand                // Pool.Reschedule
)

var sourceNames = [...]string{"default", "config defaults", "group", "code", "config by name", "command"}

// String returns the source in words, such as "config by name".
func (s Source) String() string {
	if s < 0 || int(s) >= len(sourceNames) {
		return "unknown"
	}
	return sourceNames[s]
}

// Setting is one option of a worker as it is in force.
type Setting struct {
	// Name is the option's name as in [WorkerConfig], such as "maxAttempts".
	Name string
	// Value is the option's value as text, such as "1m30s". A backoff or a schedule of the user's own is shown as its type.
	Value string
	// Source is the last place that changed the value. A place that repeats the value of an earlier one is not named.
	Source Source
}

// Settings returns the settings of a worker that are in force, in a fixed order. It fails with [ErrUnknownWorker].
func (p *Pool) Settings(name string) ([]Setting, error) {
	e, err := findEntry(p, name)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	current := e.current()
	p.mu.Unlock()
	list := make([]Setting, len(settingTable))
	for i := range settingTable {
		field := &settingTable[i]
		list[i] = Setting{field.name, field.text(current), Source(current.sources[i])}
	}
	return list, nil
}

// sources has the [Source] of each setting in settingTable.
type sources [settingCount]uint8

// settingCount is the length of settingTable, which refers to settings and so to itself.
const settingCount = 21

// applyFrom applies options, and notes which settings they change.
func (s *settings) applyFrom(source Source, opts []Option) error {
	if len(opts) == 0 {
		return nil
	}
	before := *s
	err := s.apply(opts)
	s.noteSource(&before, source)
	return err
}

// noteSource notes that the settings that differ from before come from source.
func (s *settings) noteSource(before *settings, source Source) {
	for i := range settingTable {
		if !settingTable[i].same(before, s) {
			s.sources[i] = uint8(source) //nolint:gosec // there are six
		}
	}
}

// sourceOf returns where the setting of this name comes from.
func (s *settings) sourceOf(name string) Source {
	i := slices.IndexFunc(settingTable[:], func(f settingField) bool { return f.name == name })
	return Source(s.sources[i])
}

// settingField is how a setting is compared and shown.
type settingField struct {
	name string
	same func(a, b *settings) bool
	text func(*settings) string
}

// settingTable has all settings in the order in which they are shown.
var settingTable = [settingCount]settingField{
	interfaceField("schedule", func(s *settings) Schedule { return s.schedule }, scheduleText),
	comparableField("startImmediately", func(s *settings) bool { return s.startImmediately }),
	comparableField("jitter", func(s *settings) float64 { return s.jitter }),
	comparableField("missed", func(s *settings) MissedPolicy { return s.missed }),
	comparableField("deferredStart", func(s *settings) time.Duration { return s.deferredStart }),
	comparableField("maxAttempts", func(s *settings) int { return s.maxAttempts }),
	interfaceField("backoff", func(s *settings) Backoff { return s.backoff }, backoffText),
	{
		"healthyAfter",
		func(a, b *settings) bool { return equalValues(a.healthyAfter, b.healthyAfter) },
		func(s *settings) string { return s.policy.HealthyAfter.String() },
	},
	comparableField("failureLimit", func(s *settings) FailureLimit { return s.failureLimit }, failureLimitText),
	comparableField("stopTimeout", func(s *settings) time.Duration { return s.stopTimeout }),
	comparableField("runTimeout", func(s *settings) time.Duration { return s.runTimeout }),
	comparableField("heartbeat", func(s *settings) time.Duration { return s.heartbeat }),
	comparableField("stuckPolicy", func(s *settings) StuckPolicy { return s.stuckPolicy }, stuckPolicyText),
	comparableField("essential", func(s *settings) EssentialPolicy { return s.essential }, essentialText),
	comparableField("readiness", func(s *settings) bool { return s.readiness }),
	comparableField("after", func(s *settings) string { return strings.Join(s.after, ", ") }),
	comparableField("strategy", func(s *settings) Strategy { return s.strategy }),
	comparableField("replicas", func(s *settings) int { return s.replicas }),
	comparableField("minReplicas", func(s *settings) int { return s.minReplicas }),
	comparableField("maxReplicas", func(s *settings) int { return s.maxReplicas }),
	comparableField("events", func(s *settings) int { return s.events }),
}

// comparableField is a setting whose values can be compared with ==. Without text it is shown as fmt prints it.
func comparableField[T comparable](name string, value func(*settings) T, text ...func(T) string) settingField {
	return settingField{
		name: name,
		same: func(a, b *settings) bool { return value(a) == value(b) },
		text: func(s *settings) string {
			if len(text) > 0 {
				return text[0](value(s))
			}
			return fmt.Sprint(value(s))
		},
	}
}

// interfaceField is a setting whose values may be of the user's types. Not all of them can be compared with ==.
func interfaceField[T any](name string, value func(*settings) T, text func(T) string) settingField {
	return settingField{
		name: name,
		same: func(a, b *settings) bool { return equal(value(a), value(b)) },
		text: func(s *settings) string { return text(value(s)) },
	}
}

// equalValues tells whether both values are the same, or neither is set.
func equalValues[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func equal(a, b any) (same bool) {
	defer func() {
		if recover() != nil { // they cannot be compared with ==
			same = reflect.DeepEqual(a, b)
		}
	}()
	return a == b
}

func scheduleText(s Schedule) string {
	switch s := s.(type) {
	case nil:
		return ""
	case interval:
		return "every " + time.Duration(s).String()
	case *cron.Schedule:
		return "cron " + s.String()
	default: // to print the value would call the user's code
		return fmt.Sprintf("%T", s)
	}
}

func backoffText(b Backoff) string {
	switch b := b.(type) {
	case StaticBackoff:
		return b.Sleep.String()
	case ExponentialBackoff:
		b = b.withDefaults()
		return fmt.Sprintf("from %v to %v, times %v, jitter %v", b.Initial, b.Max, b.Multiplier, b.Jitter)
	default:
		return fmt.Sprintf("%T", b)
	}
}

func failureLimitText(l FailureLimit) string {
	if l == (FailureLimit{}) {
		return ""
	}
	return fmt.Sprintf("threshold %v, decay %v, pause %v", l.Threshold, l.Decay, l.Pause)
}

func essentialText(p EssentialPolicy) string {
	if p == "" {
		return "no"
	}
	return "on " + string(p)
}

func stuckPolicyText(p StuckPolicy) string {
	if p == RestartStuck {
		return "restart"
	}
	return "report"
}
