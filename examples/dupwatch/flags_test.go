package main

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFlagsHaveDefaults(t *testing.T) {
	var output strings.Builder
	c, err := parseFlags(nil, &output)
	require.NoError(t, err)
	require.Equal(t, config{dir: ".", every: time.Minute, listen: "127.0.0.1:9099", hashers: runtime.NumCPU(), minSize: 1}, c)
	require.Empty(t, output.String())
}

func TestBadFlagsAreNamedWithTheUsage(t *testing.T) {
	for args, want := range map[string]string{
		"-dir=":            "flag -dir: must not be empty",
		"-every 0s":        "flag -every 0s: must be positive",
		"-every -3s":       "flag -every -3s: must be positive",
		"-every 3":         `invalid value "3" for flag -every`,
		"-hashers 0":       "flag -hashers 0: must be between 1 and 1024",
		"-hashers 1025":    "flag -hashers 1025: must be between 1 and 1024",
		"-min -1":          "flag -min -1: must not be negative",
		"-listen 9099":     "flag -listen: address 9099: missing port in address; want host:port",
		"-verbose":         "flag provided but not defined: -verbose",
		"some/where":       `argument "some/where": there are only flags; name the directory with -dir`,
		"-once -hashers x": `invalid value "x" for flag -hashers`,
	} {
		var out, log strings.Builder
		code := run(strings.Fields(args), &out, &log)
		require.Equal(t, exitUsage, code, args)
		require.Contains(t, log.String(), want)
		require.Contains(t, log.String(), "Usage of dupwatch:")
		require.Empty(t, out.String())
	}
}

func TestAllBadFlagsAreNamedAtOnce(t *testing.T) {
	var output strings.Builder
	_, err := parseFlags([]string{"-hashers", "0", "-min", "-1"}, &output)
	require.ErrorContains(t, err, "-hashers 0")
	require.ErrorContains(t, err, "-min -1")
}

func TestHelpIsNoError(t *testing.T) {
	var out, log strings.Builder
	require.Zero(t, run([]string{"-help"}, &out, &log))
	require.Contains(t, log.String(), "-hashers")
}
