package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func settings(t *testing.T, with, file string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := printSettings(&out, with, file)
	return out.String(), err
}

func TestSettingsComeFromTheFileAndTheEnvironment(t *testing.T) {
	for with := range readers {
		t.Run(with, func(t *testing.T) {
			out, err := settings(t, with, "config.yaml")
			require.NoError(t, err)
			require.Contains(t, out, "schedule = every 30s (config by name)\n")
			require.Contains(t, out, "maxAttempts = 0 (config defaults)\n")

			t.Setenv("APP_WORKER_WORKERS_POLLER_INTERVAL", "5m")
			out, err = settings(t, with, "config.yaml")
			require.NoError(t, err)
			require.Contains(t, out, "schedule = every 5m0s (config by name)\n")
		})
	}
}

func TestMistakesInTheFileAreErrorsThatHelp(t *testing.T) {
	good, err := os.ReadFile("config.yaml")
	require.NoError(t, err)
	for with := range readers {
		for mistake, want := range map[[2]string]string{
			{"poller:", "polar:"}:            `did you mean "poller"`,
			{"stopTimeout:", "stopTimeuot:"}: "stoptimeuot",
			{"10s", "-10s"}:                  `worker "poller": stop timeout -10s`,
		} {
			file := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(good), mistake[0], mistake[1], 1)), 0o600))
			_, err := settings(t, with, file)
			require.Error(t, err, "%s: %s", with, mistake[1])
			require.Contains(t, strings.ToLower(err.Error()), want, "%s: %s", with, mistake[1])
		}
	}
}

func TestOtherReadersAreRefused(t *testing.T) {
	_, err := settings(t, "magic", "config.yaml")
	require.EqualError(t, err, `flag -with "magic": must be viper or koanf`)
}
