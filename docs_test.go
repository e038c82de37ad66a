package workerfx_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pages are the README and the pages of docs.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	return append(found, "README.md")
}

// checkedElsewhere are pages whose code is checked by the tests of the package that they are about.
var checkedElsewhere = []string{"docs/queue.md"}

// The lines of all Go code in the docs are also in examples, which are compiled, and run by tests.
func TestGoCodeInTheDocsIsChecked(t *testing.T) {
	t.Parallel()
	checked := exampleLines(t)
	frame := regexp.MustCompile(`^(package main|import \(|"[^"]+"|func main\(\) \{|fx\.New\(|\)\.Run\(\))?$`) // of a program
	for _, page := range pages(t) {
		if slices.Contains(checkedElsewhere, page) {
			continue
		}
		for _, block := range blocks(t, page, "go") {
			for line := range strings.Lines(block) {
				line = strings.TrimSpace(line)
				assert.True(t, checked[line] || frame.MatchString(line), "%s: not in an example: %s", page, line)
			}
		}
	}
}

// exampleLines are the lines of the example tests of this module, and of the programs in examples.
func exampleLines(t *testing.T) map[string]bool {
	t.Helper()
	lines := make(map[string]bool)
	add := func(path string) {
		for line := range strings.Lines(readFile(t, path)) {
			lines[strings.TrimSpace(line)] = true
		}
	}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		inExamples := strings.HasPrefix(path, "examples") && strings.HasSuffix(path, ".go")
		if err == nil && !entry.IsDir() && (inExamples || strings.HasPrefix(entry.Name(), "example")) {
			add(path)
		}
		return err
	}))
	return lines
}

func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, page := range append(pages(t), "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md") {
		for _, found := range link.FindAllStringSubmatch(withoutCode(readFile(t, page)), -1) {
			path, anchor, _ := strings.Cut(found[1], "#")
			if strings.Contains(found[1], "://") {
				continue
			}
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			info, err := os.Stat(target)
			if !assert.NoError(t, err, "%s: %s", page, found[1]) || anchor == "" || info.IsDir() {
				continue
			}
			assert.Contains(t, anchors(t, target), anchor, "%s: %s", page, found[1])
		}
	}
}

func TestEveryExampleIsInTheIndexWithItsCommand(t *testing.T) {
	t.Parallel()
	index := readFile(t, "examples/README.md")
	for _, pattern := range []string{"examples/*/main.go", "queue/examples/*/main.go"} {
		programs, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, programs, pattern)
		for _, program := range programs {
			assert.Contains(t, index, "`go run ./"+filepath.ToSlash(filepath.Dir(program)))
		}
	}
}

// withoutCode returns a page without its blocks of code, and without code in its text.
func withoutCode(page string) string {
	return regexp.MustCompile("(?s)\n```.*?\n```\n|`[^`\n]*`").ReplaceAllString(page, "\n")
}

// anchors are the names by which links find the headings of a page.
func anchors(t *testing.T, page string) (names []string) {
	t.Helper()
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.Lines(readFile(t, page)) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			name := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			names = append(names, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return names
}

// The rules for alerts are tested by Prometheus' own tool.
func TestAlertsInTheDocsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (on Debian: apt-get install prometheus)")
	}
	tests := exec.CommandContext(t.Context(), promtool, "test", "rules", "alerts_test.yml")
	tests.Dir = "docs/monitoring"
	out, err := tests.CombinedOutput()
	require.NoError(t, err, string(out))
}

// metricNames finds the names of metrics in an expression.
var metricNames = regexp.MustCompile(`\bworker_[a-z_]+`)

func TestAlertsAndTheGrafanaDashboardUseMetricsThatExist(t *testing.T) {
	t.Parallel()
	dashboard := readFile(t, "docs/monitoring/grafana.json")
	require.True(t, json.Valid([]byte(dashboard)))
	known := readFile(t, "docs/observability.md")
	for _, metric := range metricNames.FindAllString(dashboard+readFile(t, "docs/monitoring/alerts.yml"), -1) {
		metric = strings.TrimSuffix(metric, "_bucket")
		assert.Contains(t, known, "| `"+metric+"` |", "the table of metrics")
	}
	table := readFile(t, "testdata/metrics.golden")
	for _, help := range regexp.MustCompile(`# TYPE (\S+)`).FindAllStringSubmatch(table, -1) {
		assert.Contains(t, known, "| `"+help[1]+"` |", "the table of metrics")
	}
}

func TestTheTableOfLogLinesIsComplete(t *testing.T) {
	t.Parallel()
	table := readFile(t, "docs/observability.md")
	lines := regexp.MustCompile(`"((?:worker|essential|ID generator) [^"]+)"`).FindAllStringSubmatch(readFile(t, "logger.go"), -1)
	require.NotEmpty(t, lines)
	for _, line := range lines {
		assert.Contains(t, table, "`"+line[1]+"`", "the table of log lines")
	}
}

// blocks returns a page's code blocks in a language.
func blocks(t *testing.T, page, language string) (blocks []string) {
	t.Helper()
	for part := range strings.SplitSeq(readFile(t, page), "\n```"+language+"\n") {
		block, _, _ := strings.Cut(part, "\n```\n")
		blocks = append(blocks, block)
	}
	return blocks[1:]
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}
