package workerfx

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// didYouMean lists the known names nearest to a mistyped one, as the end of an error's text.
func didYouMean(name string, known []string) string {
	type candidate struct {
		name  string
		edits int
	}
	var near []candidate
	limit := 1 + len(name)/3
	for _, k := range known {
		edits := editDistance(name, k)
		if edits > limit && strings.Contains(k, name) {
			edits = limit
		}
		if edits <= limit {
			near = append(near, candidate{k, edits})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.edits, b.edits), strings.Compare(a.name, b.name))
	})
	const most = 3
	var quoted []string
	for _, c := range near[:min(most, len(near))] {
		quoted = append(quoted, fmt.Sprintf("%q", c.name))
	}
	if quoted == nil {
		return ""
	}
	return "; did you mean " + strings.Join(quoted, " or ") + "?"
}

// editDistance is how many letters must be added, removed or replaced to make b of a (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
