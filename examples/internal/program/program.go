// Package program builds the examples and runs them, for their tests. A test of a signal, or of an exit code, needs the
// real program in a process of its own.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// patience limits every wait for a program. It is long, as a busy machine is slow.
const patience = time.Minute

// dir is the directory of the program that was built, or empty.
var dir string

// built is the path of the program of the package under test. It is built once.
var built = sync.OnceValues(func() (path string, err error) {
	if dir, err = os.MkdirTemp("", "workerfx-example-"); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "program")
	build := exec.Command("go", "build", raceFlag, "-o", path, ".") //nolint:gosec // the path is that of a new directory
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// Remove removes what [Start] has built, and ends the tests with their exit code. It is for the option Cleanup of goleak.
func Remove(code int) {
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// Process is a program that was started. Its methods may be called from many goroutines.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended and all of its output is here

	mu      sync.Mutex    // guards the fields below
	output  []byte        // of stdout and stderr
	changed chan struct{} // closed and replaced when there is more output
}

// Start builds the package under test, and starts the program. It has the race detector if the test has it. The test must
// end it, or call [Process.Kill].
func Start(args ...string) (*Process, error) {
	path, err := built()
	if err != nil {
		return nil, err
	}
	p := &Process{
		cmd:     exec.Command(path, args...), //nolint:gosec,noctx // the test gives the arguments, and ends the program
		ended:   make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // ProcessState tells how it ended
	}()
	return p, nil
}

// Write adds output of the program.
func (p *Process) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output = append(p.output, text...)
	close(p.changed)
	p.changed = make(chan struct{})
	return len(text), nil
}

// Output returns what the program has written so far.
func (p *Process) Output() string {
	output, _ := p.look()
	return output
}

func (p *Process) look() (output string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.output), p.changed
}

// Await waits until the output matches the pattern, and returns the match and its groups. It fails when the program ends
// before.
func (p *Process) Await(ctx context.Context, pattern string) ([]string, error) {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ended := false; ; {
		output, changed := p.look()
		if found := wanted.FindStringSubmatch(output); found != nil {
			return found, nil
		}
		if ended {
			return nil, fmt.Errorf("the program ended without %q: %v\n%s", pattern, p.cmd.ProcessState, output)
		}
		select {
		case <-changed:
		case <-p.ended:
			ended = true // its last output may have come meanwhile
		case <-ctx.Done():
			return nil, fmt.Errorf("no %q: %w\n%s", pattern, ctx.Err(), output)
		}
	}
}

// Terminate sends SIGTERM.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Wait waits until the program has ended, and returns its exit code. A program that does not end is killed: its exit
// code is -1.
func (p *Process) Wait() int {
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// Kill ends the program, if it still runs, and waits for it.
func (p *Process) Kill() {
	_ = p.cmd.Process.Signal(os.Kill)
	<-p.ended
}
