package strictjson_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/strictjson"
)

type inner struct {
	Wait  time.Duration   `json:"wait,omitempty"`
	Waits []time.Duration `json:"waits"`
}

type outer struct {
	Name   string           `json:"name"`
	Count  *int             `json:"count"`
	Ratio  float64          `json:"ratio"`
	On     *bool            `json:"on"`
	Tags   []string         `json:"tags"`
	Inner  inner            `json:"inner"`
	Maybe  *inner           `json:"maybe"`
	Inners map[string]inner `json:"inners"`
}

func TestUnmarshalReadsWhatEncodingJSONReads(t *testing.T) {
	for _, text := range []string{
		`{}`, `null`, ` {"name" : "a\u00e9", "count": 3, "ratio": 1e3, "on": false, "tags": ["x", "y"]} `,
		`{"inner": {"wait": 5, "waits": [1, 2]}, "maybe": {}, "inners": {"A": {"wait": 7}, "": null}}`,
		`{"NAME": "x", "Name": "y", "Inner": {"WAIT": 3}}`, `{"name": "x", "name": null}`, `{"count": null, "maybe": null, "tags": null}`,
	} {
		var want, got outer
		require.NoError(t, json.Unmarshal([]byte(text), &want))
		require.NoError(t, strictjson.Unmarshal([]byte(text), &got), text)
		assert.Equal(t, want, got, text)
	}
}

func TestUnmarshalReadsDurationsAsText(t *testing.T) {
	var got outer
	require.NoError(t, strictjson.Unmarshal([]byte(`{"inner": {"wait": "1m30s", "waits": ["1s", 5]}}`), &got))
	assert.Equal(t, inner{90 * time.Second, []time.Duration{time.Second, 5}}, got.Inner)
}

func TestAnEmptyListIsNone(t *testing.T) {
	got := outer{Tags: []string{"before"}}
	require.NoError(t, strictjson.Unmarshal([]byte(`{"tags": []}`), &got))
	assert.Nil(t, got.Tags)
}

func TestErrorsSayWhereTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		`{"nam": 1}`:                         `nam: unknown field; did you mean "name"?`,
		`{"inner": {"waitt": 1}}`:            `inner.waitt: unknown field; did you mean "wait" or "waits"?`,
		`{"inners": {"a": {"x": 1}}}`:        `inners.a.x: unknown field`,
		`{"inners": {"a": 3}}`:               `inners.a: 3 is not of type object`,
		`{"inner": {"wait": "soon"}}`:        `inner.wait: time: invalid duration "soon"`,
		`{"inner": {"wait": 1.5}}`:           `inner.wait: 1.5 is not of type duration`,
		`{"inner": {"waits": [1, {}]}}`:      `inner.waits[1]: {} is not of type duration`,
		`{"count": "three"}`:                 `count: "three" is not of type int`,
		`{"on": 1}`:                          `on: 1 is not of type bool`,
		`{"tags": "x"}`:                      `tags: "x" is not of type list`,
		`{"count": 99999999999999999999999}`: `count: 99999999999999999999999 is not of type int`,
		`[]`:                                 `[] is not of type object`,
		`{"name": "x"`:                       `unexpected end of JSON input`,
		`{} {}`:                              `invalid character '{' after top-level value`,
	} {
		got := outer{Name: "before", Inner: inner{Wait: 1}}
		require.EqualError(t, strictjson.Unmarshal([]byte(text), &got), want, text)
		assert.Equal(t, time.Duration(1), got.Inner.Wait, "what is wrong changes nothing")
	}
}
