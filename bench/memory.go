package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
)

// idle is the memory of n workers that wait for their end: the heap and the stacks. It is measured in a process of its own,
// as a process keeps what it has once needed for its goroutines.
func idle(n int, s supervisor) side {
	return side{s.name, func(m *meter) {
		m.kept, m.operations = float64(keptInProcess(s.name, n)), n
	}}
}

// The environment variables that make this program measure the memory of a supervisor and nothing else.
const envSupervisor, envWorkers = "BENCH_KEEP_SUPERVISOR", "BENCH_KEEP_WORKERS"

// keptInProcess runs this program again, to measure how many bytes n workers take.
func keptInProcess(supervisor string, n int) int64 {
	command := exec.CommandContext(context.Background(), must(os.Executable())) //nolint:gosec // it is this program
	command.Env = append(os.Environ(), envSupervisor+"="+supervisor, envWorkers+"="+strconv.Itoa(n))
	command.Stderr = os.Stderr
	return must(strconv.ParseInt(string(must(command.Output())), 10, 64))
}

// keepIfAsked prints how many bytes the workers of a supervisor take, if the environment asks for that.
func keepIfAsked() bool {
	name, asked := os.LookupEnv(envSupervisor)
	if !asked {
		return false
	}
	n := must(strconv.Atoi(os.Getenv(envWorkers)))
	workerNames.make(n)
	before := keptBytes()
	for _, s := range []supervisor{bareGoroutines, ourPool, sutureTree, yokaiPool} {
		if s.name == name {
			stop := startAll(n, s)
			fmt.Print(keptBytes() - before)
			stop()
		}
	}
	return true
}

func keptBytes() int64 {
	for range 2 { // the first collection only frees what was finalized
		runtime.GC()
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc + memory.StackInuse) //nolint:gosec // no machine has 8 exabytes
}
