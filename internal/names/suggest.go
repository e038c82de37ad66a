package names

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DidYouMean suggests up to three known names that are similar to a mistyped one, as the end of an
// error's text. It returns "" if none is similar.
func DidYouMean(name string, known []string) string {
	const most = 3
	similar := similarTo(name, known)
	if len(similar) == 0 {
		return ""
	}
	var quoted []string
	for _, s := range similar[:min(most, len(similar))] {
		quoted = append(quoted, fmt.Sprintf("%q", s))
	}
	return "; did you mean " + strings.Join(quoted, " or ") + "?"
}

// similarTo returns the names that differ from name in at most a third of its letters, plus one. A name
// that contains the mistyped one is similar too. The nearest come first.
func similarTo(name string, known []string) (similar []string) {
	limit := 1 + len(name)/3
	edits := make(map[string]int)
	for _, k := range known {
		n := editDistance(name, k)
		if n > limit && strings.Contains(k, name) {
			n = limit
		}
		if n <= limit {
			edits[k] = n
			similar = append(similar, k)
		}
	}
	slices.SortFunc(similar, func(a, b string) int {
		return cmp.Or(cmp.Compare(edits[a], edits[b]), strings.Compare(a, b))
	})
	return similar
}

// editDistance returns how many bytes must be added, removed or replaced to turn a into b (Levenshtein).
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
