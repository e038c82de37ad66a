//go:build !linux

package bench_test

import (
	"errors"
	"os"
)

// startPostgres returns the server named by WORKERFX_TEST_POSTGRES_URL.
func startPostgres() (url string, stop func(), err error) {
	if url = os.Getenv("WORKERFX_TEST_POSTGRES_URL"); url == "" {
		err = errors.New("the benchmarks start one on Linux only")
	}
	return url, func() {}, err
}
