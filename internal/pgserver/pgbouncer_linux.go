package pgserver

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// startPgBouncer starts PgBouncer on loopback, with its configuration in a directory that stop removes.
func startPgBouncer(server string, settings []string) (*Server, error) {
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		binary = "/usr/sbin/pgbouncer" // where Debian has it; users other than root may not look there
	}
	if _, err := os.Stat(binary); err != nil {
		return nil, ErrNoPgBouncer
	}
	dir, err := os.MkdirTemp("", "workerfx-pgbouncer-")
	if err != nil {
		return nil, err
	}
	s, err := startPgBouncerIn(dir, binary, server, settings)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func startPgBouncerIn(dir, binary, server string, settings []string) (*Server, error) {
	attr, err := unprivileged(dir) // PgBouncer refuses root, too
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config, err := pgbouncerConfig(server, port, settings)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { //nolint:gosec // the other user reads it
		return nil, err
	}
	var log bytes.Buffer
	c := exec.CommandContext(context.Background(), binary, "-q", file) //nolint:gosec // where PgBouncer is installed
	c.SysProcAttr, c.Dir, c.Stdout, c.Stderr = attr, dir, &log, &log
	if err := c.Start(); err != nil {
		return nil, err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s := &Server{URL: (&url.URL{Scheme: "postgres", User: url.User("postgres"), Host: address, Path: "/postgres"}).String(), stop: func() {
		_ = c.Process.Signal(syscall.SIGTERM) // an immediate shutdown
		_ = c.Wait()
		_ = os.RemoveAll(dir)
	}}
	if err := awaitConnection(address); err != nil {
		s.Stop()
		return nil, fmt.Errorf("PgBouncer: %w: %s", err, &log)
	}
	return s, nil
}

// awaitConnection waits until an address takes connections.
func awaitConnection(address string) error {
	const patience, pause = 30 * time.Second, 5 * time.Millisecond
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("it takes no connections after %v", patience)
}
