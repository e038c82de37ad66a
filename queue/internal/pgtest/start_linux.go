package pgtest

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
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// start starts a server on loopback, without a password, its data in a directory that stop removes.
func start() (*Server, error) {
	runtime.LockOSThread() // the server is told when the thread that started it is gone
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "workerfx-pgtest-")
	if err != nil {
		return nil, err
	}
	s, err := startIn(dir, bin)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func startIn(dir, bin string) (*Server, error) {
	attr, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
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
	postgres, log := command("postgres", "-D", data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port),
		"-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
	if err := postgres.Start(); err != nil {
		return nil, err
	}
	s := &Server{url: fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port), stop: func() {
		_ = postgres.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = postgres.Wait()
		_ = os.RemoveAll(dir)
	}}
	if err := s.await(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w: %s", err, log)
	}
	return s, nil
}

// binaries returns the directory with initdb and postgres, those of the newest version.
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

// unprivileged makes commands those of a user that PostgreSQL runs as, whose directory dir becomes; it refuses root.
// They end when the tests do.
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

// await waits until the server answers.
func (s *Server) await() (err error) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(context.Background(), s.url); err == nil {
			return conn.Close(context.Background())
		}
	}
	return err
}
