package queue

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connections are the network connections of a pool. They can be cut. That ends all calls on them at once, also
// calls of River without a timeout, which would wait for a silent network.
type connections struct {
	mu   sync.Mutex // guards the fields below
	open map[*connection]struct{}
	over bool // they were cut: there will be no others
}

// of returns a copy of config for the pool of the connections.
func (l *connections) of(config *pgxpool.Config) *pgxpool.Config {
	config = config.Copy()
	config.ConnConfig.DialFunc = l.dial(config.ConnConfig.DialFunc)
	return config
}

// goodbye is the time that a pool has to close: for current calls, and to tell the server.
const goodbye = time.Second

// close closes the pool. Unlike the pool's own Close, it does not wait for calls and for a silent server.
func (l *connections) close(pool *pgxpool.Pool) {
	defer time.AfterFunc(goodbye, l.cut).Stop()
	pool.Close()
}

// dial returns a function that dials as next does.
func (l *connections) dial(next pgconn.DialFunc) pgconn.DialFunc {
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
			l.open = make(map[*connection]struct{})
		}
		added := &connection{conn, l}
		l.open[added] = struct{}{}
		return added, nil
	}
}

// lastWords is the time for last calls before the connections are cut, such as to resign as the leader.
const lastWords = 200 * time.Millisecond

// cut closes all connections.
func (l *connections) cut() {
	l.mu.Lock()
	open := l.open
	l.open, l.over = nil, true
	l.mu.Unlock()
	for conn := range open {
		_ = conn.Conn.Close()
	}
}

type connection struct {
	net.Conn

	all *connections
}

// Close closes the connection.
func (l *connection) Close() error {
	l.all.mu.Lock()
	delete(l.all.open, l)
	l.all.mu.Unlock()
	return l.Conn.Close()
}
