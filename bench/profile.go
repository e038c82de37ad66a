package main

import (
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiles are the files to write profiles into. Their flags have the names of those of go test. A name that is empty is no
// profile.
type profiles struct{ cpu, mem, mutex, block string }

func profileFlags() *profiles {
	p := new(profiles)
	flag.StringVar(&p.cpu, "cpuprofile", "", "write a profile of the processor time into this file")
	flag.StringVar(&p.mem, "memprofile", "", "write a profile of the allocations into this file")
	flag.StringVar(&p.mutex, "mutexprofile", "", "write a profile of the waits for locks into this file")
	flag.StringVar(&p.block, "blockprofile", "", "write a profile of all waits into this file")
	return p
}

// start begins the profiles. The function that it returns ends and writes them.
func (p *profiles) start() (stop func()) {
	if p.mutex != "" {
		runtime.SetMutexProfileFraction(1)
	}
	if p.block != "" {
		runtime.SetBlockProfileRate(1)
	}
	stopCPU := func() {}
	if p.cpu != "" {
		file := must(os.Create(p.cpu))
		check(pprof.StartCPUProfile(file))
		stopCPU = func() {
			pprof.StopCPUProfile()
			check(file.Close())
		}
	}
	return func() {
		stopCPU()
		runtime.GC() // to complete the profile of the allocations
		for name, path := range map[string]string{"allocs": p.mem, "mutex": p.mutex, "block": p.block} {
			if path != "" {
				writeProfile(name, path)
			}
		}
	}
}

func writeProfile(name, path string) {
	file := must(os.Create(path)) //nolint:gosec // the user names it
	check(pprof.Lookup(name).WriteTo(file, 0))
	check(file.Close())
}
