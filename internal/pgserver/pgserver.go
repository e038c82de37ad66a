// Package pgserver gives tests a PostgreSQL: the one that an environment variable names, else one that it starts from
// the binaries that are installed. It knows nothing of drivers, so that each module can bring its own.
package pgserver

import (
	"fmt"
	"os"
)

// Env names a server whose user may create databases.
const Env = "WORKERFX_TEST_POSTGRES_URL"

// Server is a PostgreSQL that answers.
type Server struct {
	URL  string
	stop func()
}

// Start finds a server, or starts one with these settings ("name=value") that ends with the process at the latest. It
// locks the calling goroutine to its thread, on whose life the server's depends: call it in TestMain.
func Start(settings ...string) (*Server, error) {
	if url := os.Getenv(Env); url != "" {
		return &Server{URL: url, stop: func() {}}, nil
	}
	s, err := start(settings)
	if err != nil {
		return nil, fmt.Errorf("no PostgreSQL: %w; set %s to the URL of a server whose user may create databases, "+
			"or install one (on Debian: apt-get install postgresql)", err, Env)
	}
	return s, nil
}

// Stop ends a server that Start started, and removes its data.
func (s *Server) Stop() { s.stop() }
