package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// start starts a server on loopback, without a password, its data in a directory that stop removes.
func start(settings []string) (*Server, error) {
	runtime.LockOSThread() // the server gets a signal when the thread that started it ends
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "workerfx-pgserver-")
	if err != nil {
		return nil, err
	}
	s, err := startIn(dir, bin, settings)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func startIn(dir, bin string, settings []string) (*Server, error) {
	attr, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	command := func(name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
		var log bytes.Buffer
		c := exec.CommandContext(context.Background(), filepath.Join(bin, name), args...) //nolint:gosec // where PostgreSQL is installed
		c.SysProcAttr, c.Dir, c.Stdout, c.Stderr = attr, dir, &log, &log
		return c, &log
	}
	data := filepath.Join(dir, "data")
	initdb, log := command("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
	if err := initdb.Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, log)
	}
	port, err := freePort() // now, as it may be taken while initdb runs
	if err != nil {
		return nil, err
	}
	args := []string{"-D", data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-c", "max_connections=200"}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	postgres, log := command("postgres", args...)
	if err := postgres.Start(); err != nil {
		return nil, err
	}
	s := &Server{URL: fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port), stop: func() {
		_ = postgres.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = postgres.Wait()
		_ = os.RemoveAll(dir)
	}}
	if err := await(data); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w: %s", err, log)
	}
	return s, nil
}

// binaries returns the directory with initdb and postgres of the newest version.
func binaries() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range slices.Backward(dirs) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("its binaries initdb and postgres are not installed")
	}
	path, err = filepath.EvalSymlinks(path)
	return filepath.Dir(path), err
}

// unprivileged returns attributes for commands. PostgreSQL refuses root. So if the tests run as root, the commands run as
// another user, who gets the directory dir. The commands end when the tests end.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Geteuid() != 0 {
		return attr, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("it does not run as root, and there is no user postgres or nobody")
}

func freePort() (int, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// await waits until the server with this data directory takes connections. The server writes that beside its process ID.
func await(data string) error {
	const patience, pause = 30 * time.Second, 20 * time.Millisecond
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		note, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) //nolint:gosec // a directory of our own
		if err != nil {
			continue // the server has not started
		}
		if lines := strings.Split(string(note), "\n"); len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
	}
	return fmt.Errorf("it has not become ready within %v", patience)
}
