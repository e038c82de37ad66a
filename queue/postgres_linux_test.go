package queue_test

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
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startPostgres returns the server named by WORKERFX_TEST_POSTGRES_URL, else starts one for this test binary from
// the binaries that are installed: on loopback, without a password, its data in a directory that stop removes.
func startPostgres() (url string, stop func(), err error) {
	if url = os.Getenv("WORKERFX_TEST_POSTGRES_URL"); url != "" {
		return url, func() {}, nil
	}
	bin, err := postgresBinaries()
	if err != nil {
		return "", func() {}, err
	}
	dir, err := os.MkdirTemp("", "workerfx-postgres-")
	if err != nil {
		return "", func() {}, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	attr, err := unprivileged(dir)
	if err != nil {
		remove()
		return "", func() {}, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		remove()
		return "", func() {}, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		remove()
		return "", func() {}, err
	}
	var log bytes.Buffer
	postgres := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port),
		"-c", "fsync=off", "-c", "max_connections=200", "-c", "shared_buffers=64MB")
	postgres.SysProcAttr, postgres.Dir, postgres.Stdout, postgres.Stderr = attr, dir, &log, &log
	if err := postgres.Start(); err != nil {
		remove()
		return "", func() {}, err
	}
	stop = func() {
		_ = postgres.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = postgres.Wait()
		remove()
	}
	url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)
	if err := awaitPostgres(url); err != nil {
		stop()
		return "", func() {}, fmt.Errorf("%w: %s", err, log.String())
	}
	return url, stop, nil
}

// postgresBinaries returns the directory with initdb and postgres, those of the newest version.
func postgresBinaries() (string, error) {
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
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return attr, os.Chown(dir, uid, gid)
	}
	return nil, errors.New("it does not run as root, and there is no user postgres or nobody")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func awaitPostgres(url string) (err error) {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var conn *pgx.Conn
		if conn, err = pgx.Connect(context.Background(), url); err == nil {
			return conn.Close(context.Background())
		}
	}
	return err
}
