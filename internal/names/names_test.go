package names_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/names"
)

func TestCheckAcceptsNamesThatReadWellEverywhere(t *testing.T) {
	for _, name := range []string{
		"mailer", "mail.Sender", "group/worker", "parent#2/child", "a_b-c:d@e f", "größe", "日本", "7",
		strings.Repeat("x", 200),
	} {
		assert.NoError(t, names.Check(name), name)
	}
}

func TestCheckSaysWhyANameIsBad(t *testing.T) {
	long := strings.Repeat("x", 201)
	const allowed = " (letters, digits and . _ - / # : @ space may be used; WithName sets another)"
	for _, tt := range []struct{ name, want string }{
		{"", `worker "": name "": must not be empty`},
		{" \t", `worker " \t": name " \t": must not be empty`},
		{"a\nb", `worker "a\nb": name "a\nb": must not contain '\n'` + allowed},
		{"a*", `worker "a*": name "a*": must not contain '*'` + allowed},
		{"a\u202e", `worker "a\u202e": name "a\u202e": must not contain '\u202e'` + allowed},
		{"a\xff", `worker "a` + "\uFFFD" + `": name "a` + "\uFFFD" + `": is not valid UTF-8`},
		{long, `worker "` + long[:197] + `…": name "` + long[:197] + `…": is longer than 200 bytes`},
	} {
		require.EqualError(t, names.Check(tt.name), tt.want)
	}
}

type mailer struct{}

type generic[T any] struct{}

func TestOfTypeIsThePackageAndTheType(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "nil"},
		{mailer{}, "names_test.mailer"},
		{new(mailer), "names_test.mailer"},
		{new(new(mailer)), "names_test.mailer"},
		{generic[mailer]{}, "names_test.generic"},
		{7, "int"},
		{func() {}, "func()"},
	} {
		assert.Equal(t, tt.want, names.OfType(tt.v))
	}
}

func TestParentAndJoinAreTheTwoSidesOfASlash(t *testing.T) {
	for _, tt := range []struct{ full, parent, own string }{
		{"mailer", "", "mailer"},
		{"github/commits", "github", "commits"},
		{"github/commits#2/page", "github/commits#2", "page"},
	} {
		assert.Equal(t, tt.parent, names.Parent(tt.full))
		assert.Equal(t, tt.full, names.Join(tt.parent, tt.own))
	}
	assert.Empty(t, names.Parent(""))
	assert.Empty(t, names.Parent("/a"))
}

func TestIsInIsTheWorkerOrItsGroups(t *testing.T) {
	for _, tt := range []struct {
		worker, name string
		want         bool
	}{
		{"a", "a", true},
		{"a/b", "a", true},
		{"a/b/c", "a", true},
		{"a/b/c", "a/b", true},
		{"ab", "a", false},
		{"a", "a/b", false},
		{"b/a", "a", false},
	} {
		assert.Equal(t, tt.want, names.IsIn(tt.worker, tt.name), "%s in %s", tt.worker, tt.name)
	}
}

func TestReplicaIsNumberedFromTheSecondOn(t *testing.T) {
	assert.Equal(t, "mailer", names.Replica("mailer", 0))
	assert.Equal(t, "mailer#2", names.Replica("mailer", 2))
}

func TestMatchesFindsWorkersByTheirNamesAndGroups(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		name     string
		want     bool
	}{
		{nil, "mailer", false},
		{[]string{"mailer"}, "mailer", true},
		{[]string{"cleanup", "mail*"}, "mailer", true},
		{[]string{"mail*"}, "mail/er", true}, // the group
		{[]string{"mail/*"}, "mail/er", true},
		{[]string{"*"}, "a/b/c", true},
		{[]string{"?"}, "ab", false},
		{[]string{"mailer"}, "mail", false},
		{[]string{"[a"}, "[a", true}, // no pattern, but a name
		{[]string{"[a"}, "a", false},
		{[]string{""}, "a", false},
	} {
		assert.Equal(t, tt.want, names.Matches(tt.patterns, tt.name), "%v %s", tt.patterns, tt.name)
	}
}

func TestDidYouMeanSuggestsTheNearestNames(t *testing.T) {
	known := []string{"mailer", "cleanup", "github/commits", "github/prs", "a1", "a2", "a3", "a4"}
	for _, tt := range []struct{ name, want string }{
		{"mailr", `; did you mean "mailer"?`},
		{"mailer2", `; did you mean "mailer"?`},
		{"commits", `; did you mean "github/commits"?`},
		{"prs", `; did you mean "github/prs"?`},
		{"a5", `; did you mean "a1" or "a2" or "a3"?`},
		{"something else", ""},
	} {
		assert.Equal(t, tt.want, names.DidYouMean(tt.name, known), tt.name)
	}
	assert.Empty(t, names.DidYouMean("mailer", nil))
}

func TestDidYouMeanPutsTheFewestChangesFirst(t *testing.T) {
	assert.Equal(t, `; did you mean "mailers" or "mailer-eu"?`, names.DidYouMean("mailer", []string{"mailer-eu", "mailers"}))
}
