package workerfx

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxName bounds a worker's name, in bytes.
	maxName = 200
	// maxText bounds the text of an error that a report, an event or a log line keeps, in bytes.
	maxText = 2048
)

const ellipsis = "…"

// cut shortens text to at most limit bytes of valid UTF-8 and shows that it did.
func cut(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) > limit {
		text = text[:limit-len(ellipsis)]
		for len(text) > 0 && !utf8.RuneStart(text[len(text)-1]) {
			text = text[:len(text)-1]
		}
		if r, size := utf8.DecodeLastRuneInString(text); r == utf8.RuneError && size == 1 { // the begin of one
			text = text[:len(text)-1]
		}
		text += ellipsis
	}
	return text
}

// oneLine replaces line breaks by semicolons and other control characters by spaces, so that a text cannot
// pass for two.
func oneLine(text string) string {
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

// briefError is an error whose text was too long to keep. It is still the same error to errors.Is and errors.As.
type briefError struct {
	error
	text string
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.error }

// brief returns err with its text, both cut short if the text is too long or not UTF-8.
// It calls the error's own methods: call it only where a run may panic or end the goroutine.
func brief(err error) (text string, _ error) {
	text = err.Error()
	if len(text) <= maxText && utf8.ValidString(text) {
		return text, err
	}
	text = cut(text, maxText)
	return text, &briefError{error: err, text: text}
}
