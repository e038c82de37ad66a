package pgserver

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrNoPgBouncer says that no PgBouncer can be started here.
var ErrNoPgBouncer = errors.New("no PgBouncer: install it (on Debian: apt-get install pgbouncer)")

// StartPgBouncer starts a PgBouncer that leads to all databases of the server, and returns it. Settings are lines of
// its section [pgbouncer], such as "pool_mode=transaction". It ends with the process at the latest. Without PgBouncer,
// the error is [ErrNoPgBouncer].
func (s *Server) StartPgBouncer(settings ...string) (*Server, error) {
	return startPgBouncer(s.URL, settings)
}

// pgbouncerConfig is the configuration of a PgBouncer on a port, in front of the server of a URL. Every client is let
// in, as the server's user. The sizes are enough for tests that start many apps. Later settings win.
func pgbouncerConfig(server string, port int, settings []string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	target := fmt.Sprintf("host=%s port=%s user=%s", u.Hostname(), cmp.Or(u.Port(), "5432"), u.User.Username())
	if password, ok := u.User.Password(); ok {
		target += fmt.Sprintf(" password='%s'", strings.ReplaceAll(password, "'", "''"))
	}
	lines := append([]string{
		"[databases]", "* = " + target,
		"[pgbouncer]", "listen_addr = 127.0.0.1", fmt.Sprintf("listen_port = %d", port), "unix_socket_dir =",
		"auth_type = any", "max_client_conn = 1000", "default_pool_size = 60",
	}, settings...)
	return strings.Join(lines, "\n") + "\n", nil
}
