package fxtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Metric returns the current value of a series: the value of a counter or gauge, or the count of a histogram or
// summary. labels are names and values in turn. The series may have other labels, too. If there is no such series,
// or more than one, the test fails with a list of all series.
func (a *App) Metric(name string, labels ...string) float64 {
	a.tb.Helper()
	matching, others := a.match(name, labels)
	if len(matching) == 1 {
		return matching[0].value
	}
	what, listed := "no series "+display(name, labels), others
	if len(matching) > 1 {
		what, listed = "more than one series "+display(name, labels), matching
	}
	a.tb.Fatalf("%s; there are:%s", what, list(listed))
	return 0
}

// MetricExists tells whether there is such a series: see [App.Metric].
func (a *App) MetricExists(name string, labels ...string) bool {
	a.tb.Helper()
	matching, _ := a.match(name, labels)
	return len(matching) > 0
}

// series is one metric of a family.
type series struct {
	name   string
	labels []string // name and value in turns
	value  float64
}

// match returns the series of this name with these labels, and the series to show in a failure: all series of this
// name, or else all series.
func (a *App) match(name string, labels []string) (matching, shown []series) {
	a.tb.Helper()
	wanted, err := pairs(labels)
	if err != nil {
		a.tb.Fatalf("metric %s: %v", name, err)
		return nil, nil
	}
	all, err := a.gather()
	if err != nil {
		a.tb.Fatalf("metric %s: %v", name, err)
		return nil, nil
	}
	named := slices.DeleteFunc(slices.Clone(all), func(s series) bool { return s.name != name })
	if len(named) == 0 {
		return nil, all
	}
	return slices.DeleteFunc(slices.Clone(named), func(s series) bool { return !s.has(wanted) }), named
}

func (a *App) gather() ([]series, error) {
	families, err := a.registry.Gather()
	var all []series
	for _, family := range families {
		for _, m := range family.GetMetric() {
			s := series{name: family.GetName()}
			for _, label := range m.GetLabel() {
				s.labels = append(s.labels, label.GetName(), label.GetValue())
			}
			// All but one are nil, and count as 0.
			s.value = m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue() +
				float64(m.GetHistogram().GetSampleCount()) + float64(m.GetSummary().GetSampleCount())
			all = append(all, s)
		}
	}
	return all, err
}

func (s series) has(wanted map[string]string) bool {
	labels, _ := pairs(s.labels)
	for name, value := range wanted {
		if got, ok := labels[name]; !ok || got != value {
			return false
		}
	}
	return true
}

func pairs(labels []string) (map[string]string, error) {
	if len(labels)%2 != 0 {
		return nil, errors.New("labels are given as name and value in turns, and the last one has no value")
	}
	byName := make(map[string]string, len(labels)/2)
	for pair := range slices.Chunk(labels, 2) {
		byName[pair[0]] = pair[1]
	}
	return byName, nil
}

// list writes one series a line.
func list(all []series) string {
	if len(all) == 0 {
		return " none"
	}
	var b strings.Builder
	for _, s := range all {
		fmt.Fprintf(&b, "\n  %s %v", display(s.name, s.labels), s.value)
	}
	return b.String()
}

// display writes a series as Prometheus does.
func display(name string, labels []string) string {
	var parts []string
	byName, _ := pairs(labels)
	for _, label := range slices.Sorted(maps.Keys(byName)) {
		parts = append(parts, fmt.Sprintf("%s=%q", label, byName[label]))
	}
	if parts == nil {
		return name
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}
