package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadFlagsAreErrorsThatNameThem(t *testing.T) {
	for args, want := range map[string]string{
		"-workers 0":       "flag -workers 0: must be between 1 and 1000000",
		"-workers 2000000": "flag -workers 2000000",
		"-for -1s":         "flag -for -1s: must not be negative",
		"-every 0s":        "flag -every 0s: must be positive",
		"-commands 0":      "flag -commands 0: must be above 0",
		"-commands NaN":    "flag -commands NaN: must be above 0",
		"-budget 0s":       "flag -budget 0s: must be positive",
		"-seed -1":         "invalid value",
		"forever":          `argument "forever": there are only flags`,
	} {
		var log strings.Builder
		require.Equal(t, exitUsage, run(strings.Fields(args), kinds, nil, &log))
		require.Contains(t, log.String(), want)
		require.Contains(t, log.String(), "Usage of soak")
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	var log strings.Builder
	require.Zero(t, run([]string{"-h"}, kinds, nil, &log))
	require.Contains(t, log.String(), "-workers")
}

func TestDefaultsAreValid(t *testing.T) {
	c, err := parseFlags(nil, t.Output())
	require.NoError(t, err)
	require.Equal(t, 10_000, c.workers)
	require.Zero(t, c.duration)
}
