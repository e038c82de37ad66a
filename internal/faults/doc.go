// Package faults has no code of its own, only tests: of what workers, hooks, operators and settings can do wrong to
// a pool, and of what the pool promises all the same. One file has one class of faults. They use what is exported,
// as users do.
//
//	go test -race ./internal/faults                                        # a minute at most
//	go test -race ./internal/faults -run Stress -args -faults.stress=10m   # all at random, for longer
//	go test ./internal/faults -run '^$' -fuzz FuzzCron                     # beyond the seeds
//
// Out of reach of any library, and shown in process_test.go, are faults that the Go runtime makes fatal: a panic in a
// goroutine that a worker started by itself, a stack that overflows, memory that is used up, os.Exit.
package faults
