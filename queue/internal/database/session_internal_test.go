package database

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyFailuresInARowAreARefusal(t *testing.T) {
	failed := errors.New("disk is full")
	for name, test := range map[string]struct {
		failures []time.Duration // when
		over     bool
	}{
		"one":                     {[]time.Duration{0}, false},
		"two within two seconds":  {[]time.Duration{0, time.Second}, false},
		"two with five between":   {[]time.Duration{0, 5 * time.Second}, true},
		"two with an hour":        {[]time.Duration{0, time.Hour}, false},
		"two, and one much later": {[]time.Duration{0, time.Second, time.Hour}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSession(t.Context(), "client")
				begun := time.Now()
				for _, at := range test.failures {
					time.Sleep(time.Until(begun.Add(at)))
					s.noteResult(context.Background(), "fetch jobs", failed)
				}
				require.Equal(t, test.over, s.IsOver())
				if test.over {
					require.ErrorIs(t, context.Cause(s.Alive), ErrRefused)
				}
			})
		})
	}
}
