package queue

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lines are the network connections of a pool. They can be cut, which ends all calls on them at once: also those
// that River makes without a timeout, which wait for as long as the network is silent.
type lines struct {
	mu   sync.Mutex // guards the fields below
	open map[*line]struct{}
	over bool // they were cut: there will be no others
}

// dial returns a function that dials as next does.
func (l *lines) dial(next pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.over {
			_ = conn.Close()
			return nil, ErrLockLost
		}
		if l.open == nil {
			l.open = make(map[*line]struct{})
		}
		added := &line{conn, l}
		l.open[added] = struct{}{}
		return added, nil
	}
}

// lastWords is how long those who are to end may still say something, such as that they lead no more.
const lastWords = 200 * time.Millisecond

// closePool closes a pool on these lines. To say goodbye to a database that is silent takes pgx 15 seconds for each
// connection; here it takes a moment.
func (l *lines) closePool(pool *pgxpool.Pool) {
	defer time.AfterFunc(lastWords, l.cut).Stop()
	pool.Close()
}

// cut closes all lines.
func (l *lines) cut() {
	l.mu.Lock()
	open := l.open
	l.open, l.over = nil, true
	l.mu.Unlock()
	for conn := range open {
		_ = conn.Conn.Close()
	}
}

type line struct {
	net.Conn

	lines *lines
}

// Close closes the line.
func (l *line) Close() error {
	l.lines.mu.Lock()
	delete(l.lines.open, l)
	l.lines.mu.Unlock()
	return l.Conn.Close()
}
