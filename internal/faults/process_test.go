package faults_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// misdeedVariable names the environment's variable that makes the test binary do a misdeed, and nothing else.
const misdeedVariable = "WORKERFX_MISDEED"

// misdeed is done in a process of its own, because it may take the process down.
type misdeed struct {
	do   func()
	code int      // the exit code
	says []string // in the output
	env  []string
}

const survived = "survived"

// misdeeds is bad user code. The process must survive most of it. No library can help against the rest.
var misdeeds = map[string]misdeed{
	"panics all at once while stopping":          {do: panicWhileStopping, says: []string{survived}},
	"panics in the app's stop":                   {do: panicInFx, says: []string{survived}},
	"a panic without a logger":                   {do: panicWithoutLogger, says: []string{survived, "panic: inside", "faults_test.panicInside"}},
	"an essential worker's panic in Fx":          {do: essentialPanicInFx, code: 1, says: []string{"panic: inside", "exited prematurely"}},
	"a panic after the pool has stopped waiting": {do: panicAfterStop, says: []string{survived}},
	"nil panics of old":                          {do: nilPanic, says: []string{survived}, env: []string{"GODEBUG=panicnil=1"}},
	"a log sink that exits beside a removal":     {do: exitBesideRemoval, says: []string{survived}},
	"a run that never finishes":                  {do: neverFinish, code: 1, says: []string{`did not stop in time: "w"`, "faults_test.hangHere"}},

	"a panic in a goroutine of the worker's": {do: strayPanic, code: 2, says: []string{"panic: inside", "faults_test.strayPanic"}},
	"a stack overflow":                       {do: overflow, code: 2, says: []string{"stack overflow"}},
	"a list of errors with itself in it":     {do: cyclicList, code: 2, says: []string{"stack overflow", "errors.is"}},
	"concurrent map writes":                  {do: mapWrites, code: 2, says: []string{"concurrent map"}, env: []string{"GOMAXPROCS=4"}},
	"os.Exit":                                {do: func() { runAlone(func(context.Context) error { os.Exit(7); return nil }) }, code: 7},
}

func TestMisdeedsInAProcessOfTheirOwn(t *testing.T) {
	for name, misdeed := range misdeeds {
		t.Run(name, func(t *testing.T) {
			program, err := os.Executable()
			require.NoError(t, err)
			child := exec.CommandContext(within(t, time.Minute), program)
			child.Env = append(append(os.Environ(), misdeedVariable+"="+name), misdeed.env...)
			output, err := child.CombinedOutput()
			if _, exited := errors.AsType[*exec.ExitError](err); !exited {
				require.NoError(t, err)
			}
			assert.Equal(t, misdeed.code, child.ProcessState.ExitCode(), "%.2000s", output)
			for _, text := range misdeed.says {
				assert.Contains(t, string(output[:min(len(output), 100_000)]), text)
			}
		})
	}
}

// must is for what cannot go wrong, in a process that may panic.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// runAlone runs a worker in a pool until it is done.
func runAlone(run workerfx.RunFunc, opts ...workerfx.Option) {
	_ = workerfx.RunAll(context.Background(), workerfx.NewWorker("w", run, opts...))
}

func panicWhileStopping() {
	pool, err := workerfx.NewPool(silent)
	must(err)
	for i := range 500 {
		must(pool.Add(workerfx.NewWorker(fmt.Sprint("w", i), func(ctx context.Context) error {
			<-ctx.Done()
			defer runtime.Goexit()
			panic(stringer{panicInside})
		}, endless)))
	}
	must(pool.Start(context.Background()))
	time.Sleep(100 * time.Millisecond)
	var stops sync.WaitGroup
	for range 4 {
		stops.Go(func() { _ = pool.Stop(context.Background()) })
		stops.Go(func() { _ = pool.Restart("w1") })
	}
	stops.Wait()
	fmt.Println(survived)
}

func panicInFx() {
	app := fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(func() workerfx.Worker {
		return workerfx.NewWorker("w", func(ctx context.Context) error {
			defer panicInside()
			return untilStopped(ctx)
		})
	}))
	must(app.Start(context.Background()))
	time.Sleep(100 * time.Millisecond)
	must(app.Stop(context.Background()))
	fmt.Println(survived)
}

func panicWithoutLogger() {
	runAlone(func(context.Context) error { panicInside(); return nil })
	fmt.Println(survived)
}

func essentialPanicInFx() {
	fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(func() workerfx.Worker {
		return workerfx.NewWorker("w", func(context.Context) error { panicInside(); return nil }, workerfx.WithEssential())
	})).Run()
}

func panicAfterStop() {
	pool, err := workerfx.NewPool(silent)
	must(err)
	release, began := make(chan struct{}), make(chan struct{})
	must(pool.Add(workerfx.NewWorker("w", func(context.Context) error {
		close(began)
		<-release
		panic(errBoom)
	}, workerfx.WithStopTimeout(time.Millisecond))))
	must(pool.Start(context.Background()))
	<-began
	if pool.Stop(context.Background()) == nil {
		panic("nobody is late")
	}
	close(release)
	for pool.Stop(context.Background()) != nil {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(survived)
}

func nilPanic() {
	runs := 0
	runAlone(func(context.Context) error {
		if runs++; runs > 1 {
			fmt.Println("run again, without a limit of attempts or a backoff")
			os.Exit(1)
		}
		panic(noWorker)
	})
	fmt.Println(survived)
}

// exitBesideRemoval removes an essential child while the log sink, which then exits, is told of its end.
func exitBesideRemoval() {
	told, removed := make(chan struct{}), make(chan struct{})
	sink := writerFunc(func(line []byte) {
		if strings.Contains(string(line), "essential worker is done") {
			close(told)
			<-removed
			runtime.Goexit()
		}
	})
	pool, err := workerfx.NewPool(workerfx.WithLogger(zerolog.New(sink)))
	must(err)
	must(pool.Add(workerfx.NewWorker("parent", func(ctx context.Context) error {
		must(workerfx.AddChild(ctx, workerfx.NewWorker("child", succeeds, workerfx.WithEssential())))
		<-told
		must(workerfx.RemoveChild(ctx, "child"))
		close(removed)
		return untilStopped(ctx)
	})))
	must(pool.Start(context.Background()))
	<-removed
	time.Sleep(100 * time.Millisecond)
	must(pool.Stop(context.Background()))
	fmt.Println(survived)
}

// neverFinish is an app with a run that asks to be let finish, and then does not.
func neverFinish() {
	begun := make(chan struct{})
	app := fx.New(fx.NopLogger, workerfx.Module, fx.StopTimeout(time.Second), fx.Supply(zerolog.New(os.Stderr)),
		workerfx.ProvideWorker(func() workerfx.Worker {
			return workerfx.NewWorker("w", func(ctx context.Context) error {
				finish := workerfx.Draining(ctx)
				close(begun)
				<-finish
				hangHere(nil)
				return nil
			})
		}))
	must(app.Start(context.Background()))
	<-begun
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	err := app.Stop(ctx)
	cancel()
	if took := time.Since(begin); took > 10*time.Second { // it asks for one
		fmt.Println("took", took)
		return
	}
	fmt.Println(err)
	os.Exit(1)
}

func strayPanic() {
	runAlone(func(ctx context.Context) error {
		go panicInside()
		return untilStopped(ctx)
	})
}

func overflow() {
	debug.SetMaxStack(1 << 20) // a gigabyte, the default, takes long
	runAlone(func(context.Context) error { recurse(math.MaxInt); return nil })
}

// listError is a list of errors, of which it is one.
type listError struct{ self []error }

func (*listError) Error() string     { return "list" }
func (e *listError) Unwrap() []error { return e.self }

func cyclicList() {
	debug.SetMaxStack(1 << 20)
	list := &listError{}
	list.self = []error{list}
	runAlone(func(context.Context) error { return list })
}

func mapWrites() {
	shared := make(map[int]int)
	runAlone(func(context.Context) error {
		var writers sync.WaitGroup
		for range 8 {
			writers.Go(func() {
				for i := range 10_000_000 {
					shared[i%10] = i
				}
			})
		}
		writers.Wait()
		return nil
	})
}
