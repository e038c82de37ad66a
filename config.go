package workerfx

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/workerfx/workerfx/internal/names"
	"github.com/workerfx/workerfx/internal/strictjson"
	"github.com/workerfx/workerfx/internal/text"
)

// Config is a pool's configuration, such as from a file or the environment. Give it to an app with fx.Supply, or to
// [NewPool] with [WithConfig]. The zero value has all defaults.
//
// The first of these that has a setting wins: Workers by the worker's name, Workers by its group's name, the worker's own
// options, the options of its group, Defaults, the option's documented default.
//
// Durations have a unit, as in "1m30s": a number is taken for nanoseconds. One below a microsecond is an error.
//
// A field that does not exist is an error in JSON. Other formats need their strict mode for that:
// yaml.UnmarshalStrict, or KnownFields(true) of a yaml.v3 decoder, and UnmarshalExact of viper, which sets
// ErrorUnused of mapstructure.
type Config struct {
	// Name distinguishes several pools of one app, in logs and in the label "pool" of metrics.
	Name string `json:"name,omitempty" yaml:"name,omitempty" mapstructure:"name,omitempty"`
	// Only lists the workers that this process runs; an empty list means all. Except lists workers that it does not
	// run. An entry is the name of a worker or a group, or a pattern of [path.Match] such as "report-*". A name that
	// no worker has, and a pattern that fits none, is an error.
	Only   []string `json:"only,omitempty" yaml:"only,omitempty" mapstructure:"only,omitempty"`
	Except []string `json:"except,omitempty" yaml:"except,omitempty" mapstructure:"except,omitempty"`
	// StopTimeout limits the stop at the end of [Pool.Run]; 0 means 15s. Under Fx the app's stop timeout applies.
	StopTimeout time.Duration `json:"stopTimeout,omitempty" yaml:"stopTimeout,omitempty" mapstructure:"stopTimeout,omitempty"`
	// Metrics names the pool's metrics.
	Metrics MetricsConfig `json:"metrics" yaml:"metrics" mapstructure:"metrics"`
	// Defaults are settings of all workers. The workers' own options win over them.
	Defaults WorkerConfig `json:"defaults" yaml:"defaults" mapstructure:"defaults"`
	// Workers overrides settings by name. The name of a group is for its workers that are not named themselves. A
	// name that no worker has is an error.
	Workers map[string]WorkerConfig `json:"workers,omitempty" yaml:"workers,omitempty" mapstructure:"workers,omitempty"`
}

// MetricsConfig names a pool's metrics.
type MetricsConfig struct {
	// Namespace and Subsystem are in front of every metric's name, with underscores.
	Namespace string `json:"namespace,omitempty" yaml:"namespace,omitempty" mapstructure:"namespace,omitempty"`
	Subsystem string `json:"subsystem,omitempty" yaml:"subsystem,omitempty" mapstructure:"subsystem,omitempty"`
	// Buckets are the upper bounds of worker_execution_duration_seconds, in rising order. The default is 5ms, 25ms,
	// 100ms, 500ms, 1s, 5s, 30s, 1m, 10m and 1h.
	Buckets []time.Duration `json:"buckets,omitempty" yaml:"buckets,omitempty" mapstructure:"buckets,omitempty"`
	// Children is "own" (the default) or "parent". Children have series of their own, or they are added to those of the
	// worker that started them. The counters of children that have left stay there.
	Children ChildrenMetrics `json:"children,omitempty" yaml:"children,omitempty" mapstructure:"children,omitempty"`
}

// ChildrenMetrics says which metrics children have.
type ChildrenMetrics string

// The values of [MetricsConfig.Children].
const (
	ChildrenOwn    ChildrenMetrics = "own"
	ChildrenParent ChildrenMetrics = "parent"
)

// WorkerConfig sets options of a worker from configuration. A nil field does not set its option. In JSON, durations
// may be strings such as "5s".
type WorkerConfig struct {
	// Disabled excludes the worker from this process. In Config.Defaults it is an error: use Only or Except there.
	Disabled bool `json:"disabled,omitempty" yaml:"disabled,omitempty" mapstructure:"disabled,omitempty"`
	// Each of these sets the option of the same name.
	DeferredStart *time.Duration      `json:"deferredStart,omitempty" yaml:"deferredStart,omitempty" mapstructure:"deferredStart,omitempty"`
	MaxAttempts   *int                `json:"maxAttempts,omitempty" yaml:"maxAttempts,omitempty" mapstructure:"maxAttempts,omitempty"`
	Backoff       *ExponentialBackoff `json:"backoff,omitempty" yaml:"backoff,omitempty" mapstructure:"backoff,omitempty"`
	HealthyAfter  *time.Duration      `json:"healthyAfter,omitempty" yaml:"healthyAfter,omitempty" mapstructure:"healthyAfter,omitempty"`
	FailureLimit  *FailureLimit       `json:"failureLimit,omitempty" yaml:"failureLimit,omitempty" mapstructure:"failureLimit,omitempty"`
	StopTimeout   *time.Duration      `json:"stopTimeout,omitempty" yaml:"stopTimeout,omitempty" mapstructure:"stopTimeout,omitempty"`
	RunTimeout    *time.Duration      `json:"runTimeout,omitempty" yaml:"runTimeout,omitempty" mapstructure:"runTimeout,omitempty"`
	Heartbeat     *time.Duration      `json:"heartbeat,omitempty" yaml:"heartbeat,omitempty" mapstructure:"heartbeat,omitempty"` // how often a sign of life is expected
	Essential     *bool               `json:"essential,omitempty" yaml:"essential,omitempty" mapstructure:"essential,omitempty"`
	// EssentialPolicy makes the worker essential: "exit" or "failure", see [EssentialPolicy].
	EssentialPolicy *EssentialPolicy `json:"essentialPolicy,omitempty" yaml:"essentialPolicy,omitempty" mapstructure:"essentialPolicy,omitempty"`
	Events          *int             `json:"events,omitempty" yaml:"events,omitempty" mapstructure:"events,omitempty"`

	// Interval and Cron replace the worker's schedule. Only one of them may be set.
	Interval         *time.Duration `json:"interval,omitempty" yaml:"interval,omitempty" mapstructure:"interval,omitempty"`
	Cron             *string        `json:"cron,omitempty" yaml:"cron,omitempty" mapstructure:"cron,omitempty"`
	StartImmediately *bool          `json:"startImmediately,omitempty" yaml:"startImmediately,omitempty" mapstructure:"startImmediately,omitempty"`
	Jitter           *float64       `json:"jitter,omitempty" yaml:"jitter,omitempty" mapstructure:"jitter,omitempty"`
	// Missed is "skip" or "runOnce".
	Missed      *MissedPolicy `json:"missed,omitempty" yaml:"missed,omitempty" mapstructure:"missed,omitempty"`
	Replicas    *int          `json:"replicas,omitempty" yaml:"replicas,omitempty" mapstructure:"replicas,omitempty"`
	MinReplicas *int          `json:"minReplicas,omitempty" yaml:"minReplicas,omitempty" mapstructure:"minReplicas,omitempty"`
	MaxReplicas *int          `json:"maxReplicas,omitempty" yaml:"maxReplicas,omitempty" mapstructure:"maxReplicas,omitempty"`
}

const defaultPoolStopTimeout = 15 * time.Second

func (c *Config) stopTimeout() time.Duration {
	return cmp.Or(c.StopTimeout, defaultPoolStopTimeout)
}

var metricNamePart = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)?$`)

// apply sets the options of the fields that are not nil.
func (c *WorkerConfig) apply(s *settings) {
	set(&s.deferredStart, c.DeferredStart)
	set(&s.maxAttempts, c.MaxAttempts)
	set(&s.failureLimit, c.FailureLimit)
	set(&s.stopTimeout, c.StopTimeout)
	set(&s.runTimeout, c.RunTimeout)
	set(&s.heartbeat, c.Heartbeat)
	set(&s.events, c.Events)
	set(&s.startImmediately, c.StartImmediately)
	set(&s.jitter, c.Jitter)
	set(&s.missed, c.Missed)
	set(&s.replicas, c.Replicas)
	set(&s.minReplicas, c.MinReplicas)
	set(&s.maxReplicas, c.MaxReplicas)
	c.applySchedule(s)
	c.applyEssential(s)
	if c.HealthyAfter != nil {
		s.healthyAfter = c.HealthyAfter
	}
	if c.Backoff != nil {
		s.backoff, s.backoffSet = *c.Backoff, true
	}
}

func (c *WorkerConfig) applySchedule(s *settings) {
	if c.Interval != nil {
		WithInterval(*c.Interval)(s)
	}
	if c.Cron != nil {
		WithCron(*c.Cron)(s)
	}
	if c.Interval != nil && c.Cron != nil {
		s.scheduleErr = scheduleError("interval", *c.Interval, fmt.Errorf("stands beside cron %q: only one of them may be set", *c.Cron))
	}
}

// applyEssential keeps the policy of the code if the configuration names none.
func (c *WorkerConfig) applyEssential(s *settings) {
	switch {
	case c.Essential != nil && !*c.Essential:
		s.essential, s.essentialErr = "", nil
		if c.EssentialPolicy != nil {
			s.essential, s.essentialErr = *c.EssentialPolicy, errors.New("stands beside essential: false")
		}
	case c.EssentialPolicy != nil:
		WithEssential(*c.EssentialPolicy)(s)
		if *c.EssentialPolicy == "" {
			s.essentialErr = fmt.Errorf("must be %q or %q", OnExit, OnFailure)
		}
	case c.Essential != nil && !s.isEssential():
		WithEssential()(s)
	}
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// poolTitle names the pool in errors.
func (c *Config) poolTitle() string {
	if c.Name == "" {
		return "pool"
	}
	return fmt.Sprintf("pool %q", text.Cut(c.Name, text.MaxName))
}

// validate returns an error about the pool's own settings. Those of workers are checked when a worker is added.
func (c *Config) validate() error {
	var errs []error
	bad := func(field string, value any, why string) {
		errs = append(errs, fmt.Errorf("%s: %s %v: %s", c.poolTitle(), field, value, why))
	}
	if c.Name != "" {
		if flaw := names.Flaw(c.Name); flaw != "" {
			errs = append(errs, fmt.Errorf("%s: name %q: %s", c.poolTitle(), text.Cut(c.Name, text.MaxName), flaw))
		}
	}
	if c.StopTimeout < 0 {
		bad("stop timeout", c.StopTimeout, "must not be negative")
	}
	if c.Defaults.Disabled {
		bad("defaults.disabled", true, "has no meaning; use only or except")
	}
	c.Metrics.validate(bad)
	for _, pattern := range slices.Concat(c.Only, c.Except) {
		if _, err := path.Match(pattern, ""); err != nil {
			bad("only/except", fmt.Sprintf("%q", pattern), err.Error())
		}
	}
	return errors.Join(errs...)
}

// checkUnits returns an error about durations whose unit is most likely missing: a number is taken for nanoseconds.
func (c *Config) checkUnits() error {
	var errs []error
	eachDuration(reflect.ValueOf(*c), "", func(field string, d time.Duration) {
		if d > 0 && d < time.Microsecond {
			errs = append(errs, fmt.Errorf("%s: %s %v: is below a microsecond: is the unit missing, as in \"%ds\"?", c.poolTitle(), field, d, d))
		}
	})
	sortErrors(errs)
	return errors.Join(errs...)
}

// sortErrors sorts errors by their texts, as they come from maps.
func sortErrors(errs []error) {
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
}

// validate calls bad for each field that is not valid.
func (c *MetricsConfig) validate(bad addError) {
	for field, part := range map[string]string{"metrics.namespace": c.Namespace, "metrics.subsystem": c.Subsystem} {
		if !metricNamePart.MatchString(part) {
			bad(field, fmt.Sprintf("%q", part), "must be letters, digits and _, and not begin with a digit")
		}
	}
	if !slices.Contains([]ChildrenMetrics{"", ChildrenOwn, ChildrenParent}, c.Children) {
		bad("metrics.children", fmt.Sprintf("%q", c.Children), fmt.Sprintf("must be %q or %q", ChildrenOwn, ChildrenParent))
	}
	for i, bound := range c.Buckets {
		if bound <= 0 || i > 0 && bound <= c.Buckets[i-1] {
			bad("metrics.buckets", c.Buckets, "must be positive and rise")
			break
		}
	}
}

// eachDuration calls f with the name and the value of each duration in v, which has this name. It leaves lists out.
func eachDuration(v reflect.Value, name string, f func(name string, d time.Duration)) {
	in := func(part string) string { return strings.TrimPrefix(name+"."+part, ".") }
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		f(name, time.Duration(v.Int()))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		eachDuration(v.Elem(), name, f)
	case v.Kind() == reflect.Struct:
		for field, value := range v.Fields() {
			part, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			eachDuration(value, in(part), f)
		}
	case v.Kind() == reflect.Map:
		for key, value := range v.Seq2() {
			eachDuration(value, in(key.String()), f)
		}
	}
}

// overrides returns the entries of Workers for a worker: for its groups first, then for itself.
func (c *Config) overrides(name string) (found []WorkerConfig) {
	for ; name != "" && len(c.Workers) > 0; name = names.Parent(name) {
		if override, ok := c.Workers[name]; ok {
			found = append(found, override)
		}
	}
	slices.Reverse(found)
	return found
}

// excludes tells whether this process does not run the worker.
func (c *Config) excludes(name string) bool {
	if slices.ContainsFunc(c.overrides(name), func(o WorkerConfig) bool { return o.Disabled }) {
		return true
	}
	return len(c.Only) > 0 && !names.Matches(c.Only, name) || names.Matches(c.Except, name)
}

// isUnder tells whether name could be that of a worker's child.
func isUnder(name string, workers []string) bool {
	for name = names.Parent(name); name != ""; name = names.Parent(name) {
		if slices.Contains(workers, name) {
			return true
		}
	}
	return false
}

// fitsAny tells whether a pattern fits one of the workers or their groups, or could fit a child of one.
func fitsAny(pattern string, workers []string) bool {
	for ; pattern != ""; pattern = names.Parent(pattern) {
		if slices.ContainsFunc(workers, func(name string) bool { return names.Matches([]string{pattern}, name) }) {
			return true
		}
	}
	return false
}

// checkNames returns an error about names in the configuration that no worker has.
func (c *Config) checkNames(workers []string) error {
	known := make(map[string]bool, len(workers))
	for _, name := range workers {
		for ; name != ""; name = names.Parent(name) {
			known[name] = true
		}
	}
	var errs []error
	check := func(field, name string) {
		if !known[name] && !isUnder(name, workers) {
			name = text.Cut(name, text.MaxName)
			errs = append(errs, fmt.Errorf("%s: %s names worker %q: %w%s", c.poolTitle(), field, name, ErrUnknownWorker, names.DidYouMean(name, workers)))
		}
	}
	for name := range c.Workers {
		check("config", name)
	}
	for field, patterns := range map[string][]string{"only": c.Only, "except": c.Except} {
		for _, pattern := range patterns {
			if !strings.ContainsAny(pattern, `*?[\`) {
				check(field, pattern)
			} else if !fitsAny(pattern, workers) {
				errs = append(errs, fmt.Errorf("%s: %s %q: fits no worker: %w", c.poolTitle(), field, text.Cut(pattern, text.MaxName), ErrUnknownWorker))
			}
		}
	}
	sortErrors(errs)
	return errors.Join(errs...)
}

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
func (c *Config) UnmarshalJSON(data []byte) error { return strictjson.Unmarshal(data, c) }

// UnmarshalJSON reads a config. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (c *WorkerConfig) UnmarshalJSON(data []byte) error { return strictjson.Unmarshal(data, c) }

// UnmarshalJSON reads a config. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (c *MetricsConfig) UnmarshalJSON(data []byte) error { return strictjson.Unmarshal(data, c) }

// UnmarshalJSON reads a backoff. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (b *ExponentialBackoff) UnmarshalJSON(data []byte) error { return strictjson.Unmarshal(data, b) }

// UnmarshalJSON reads a limit. Durations are strings such as "1m30s", or nanoseconds. An unknown field is an error.
func (l *FailureLimit) UnmarshalJSON(data []byte) error { return strictjson.Unmarshal(data, l) }
