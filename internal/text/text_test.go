package text_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/workerfx/workerfx/internal/text"
)

func TestCutKeepsShortTextsAndEndsLongOnesWithAnEllipsis(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"empty", "", 5, ""},
		{"short", "abc", 5, "abc"},
		{"as long as the limit", "abcde", 5, "abcde"},
		{"one byte too long", "abcdef", 5, "ab…"},
		{"as short as the limit may be", "abcdef", 3, "…"},
		{"cut before a character of two bytes", "aéééé", 6, "aé…"},
		{"cut within a character of two bytes", "aéééé", 5, "a…"},
		{"cut within a character of four bytes", "a😀😀", 7, "a…"},
		{"not UTF-8", "a\xffb", 5, "a\uFFFDb"},
		{"not UTF-8 and too long", "\xff\xfea\xff\xffb", 6, "\uFFFD…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, text.Cut(tt.in, tt.limit))
		})
	}
}

func FuzzCutIsValidAndWithinTheLimit(f *testing.F) {
	f.Add("aéé😀\xff\xf0\x9f", 5)
	f.Add(strings.Repeat("\xed\xa0\x80", 9), 7)
	f.Fuzz(func(t *testing.T, in string, limit int) {
		if limit < 3 || limit > 1<<20 {
			t.Skip("no room for the ellipsis")
		}
		got := text.Cut(in, limit)
		if len(got) > limit || !utf8.ValidString(got) {
			t.Errorf("Cut(%q, %d) = %q", in, limit, got)
		}
		if len(in) <= limit && utf8.ValidString(in) && got != in {
			t.Errorf("Cut(%q, %d) = %q changed a text that fits", in, limit, got)
		}
	})
}

func TestOneLineHasNoControlCharacters(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "a b, ä", "a b, ä"},
		{"two lines", "a\nb", "a; b"},
		{"ends with line breaks", "a\nb\r\n\n", "a; b"},
		{"carriage return", "a\rb", "a b"},
		{"tabs and escapes", "a\tb\x1b[31mc\u0085", "a b [31mc "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, text.OneLine(tt.in))
		})
	}
}
