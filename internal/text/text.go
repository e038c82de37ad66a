// Package text makes texts from user code safe to show: bounded in length, valid UTF-8 and on one line.
//
// It knows the limits for names and for the texts of errors. It does not know who shows a text or where.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxName is the limit for a worker's name, in bytes.
	MaxName = 200
	// MaxText is the limit for the text of an error in a report, an event or a log line, in bytes.
	MaxText = 2048
)

const ellipsis = "…"

// Cut returns text as valid UTF-8 of at most limit bytes. A text that was cut ends with "…".
// The limit must have room for the "…", which is three bytes long.
func Cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	end := limit - len(ellipsis)
	for !utf8.RuneStart(text[end]) { // never cut within a character
		end--
	}
	return text[:end] + ellipsis
}

// OneLine replaces line breaks by semicolons and other control characters by spaces. Without that, an
// error's text could add lines of its own to a log.
func OneLine(text string) string {
	if strings.IndexFunc(text, unicode.IsControl) < 0 {
		return text
	}
	text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
