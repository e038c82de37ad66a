package bench_test

import (
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

// startPostgres returns the server named by WORKERFX_TEST_POSTGRES_URL, else starts one from the binaries that are
// installed: on loopback, its data in a directory that stop removes, its settings PostgreSQL's own.
func startPostgres() (url string, stop func(), err error) {
	if url = os.Getenv("WORKERFX_TEST_POSTGRES_URL"); url != "" {
		return url, func() {}, nil
	}
	bin, err := postgresBinaries()
	if err != nil {
		return "", func() {}, err
	}
	dir, err := os.MkdirTemp("", "workerfx-bench-")
	if err != nil {
		return "", func() {}, err
	}
	remove := func() { _ = os.RemoveAll(dir) }
	url, shutdown, err := servePostgres(bin, dir)
	if err != nil {
		remove()
		return "", func() {}, err
	}
	return url, func() {
		shutdown()
		remove()
	}, nil
}

func servePostgres(bin, dir string) (url string, shutdown func(), err error) {
	attr, err := unprivileged(dir)
	if err != nil {
		return "", nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	postgres := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "127.0.0.1", "-p", strconv.Itoa(port),
		"-c", "max_connections=200")
	postgres.SysProcAttr, postgres.Dir = attr, dir
	if err := postgres.Start(); err != nil {
		return "", nil, err
	}
	shutdown = func() {
		_ = postgres.Process.Signal(syscall.SIGINT) // a fast shutdown
		_ = postgres.Wait()
	}
	url = fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", port)
	if err := awaitPostgres(url); err != nil {
		shutdown()
		return "", nil, err
	}
	return url, shutdown, nil
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
// They end when the benchmarks do.
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
