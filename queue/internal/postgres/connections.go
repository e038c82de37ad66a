package postgres

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// connections are the network connections of pools. A cut closes them, which ends all calls on them at once. Some
// calls of River have no timeout, and would wait for a silent network.
type connections struct {
	mu     sync.Mutex // guards the fields below
	open   map[*connection]struct{}
	wasCut bool // no connection is opened after the cut
}

// configure returns a copy of config. A pool with the copy opens its connections here.
func (c *connections) configure(config *pgxpool.Config) *pgxpool.Config {
	config = config.Copy()
	config.ConnConfig.DialFunc = c.dial(config.ConnConfig.DialFunc)
	return config
}

// closeTimeout is how long a pool may take to close. It waits for current calls and tells the server.
const closeTimeout = time.Second

// newPool returns a pool that opens its connections here, at most size and only when they are needed.
func (c *connections) newPool(ctx context.Context, config *pgxpool.Config, size int32) (*pgxpool.Pool, error) {
	config = c.configure(config)
	config.MaxConns, config.MinConns, config.MinIdleConns = size, 0, 0
	return pgxpool.NewWithConfig(ctx, config)
}

// close closes the pools, and cuts the connections after closeTimeout. A pool's own Close waits without a limit.
func (c *connections) close(pools ...*pgxpool.Pool) {
	defer time.AfterFunc(closeTimeout, c.cut).Stop()
	for _, pool := range pools {
		pool.Close()
	}
}

// dial returns a function that dials as next does.
func (c *connections) dial(next pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := next(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.wasCut {
			_ = conn.Close()
			return nil, database.ErrLockLost
		}
		if c.open == nil {
			c.open = make(map[*connection]struct{})
		}
		added := &connection{conn, c}
		c.open[added] = struct{}{}
		return added, nil
	}
}

// cutDelay is the time between the loss of a lock and the cut. A leader can resign in that time.
const cutDelay = 200 * time.Millisecond

// cut closes all connections.
func (c *connections) cut() {
	c.mu.Lock()
	open := c.open
	c.open, c.wasCut = nil, true
	c.mu.Unlock()
	for conn := range open {
		_ = conn.Conn.Close()
	}
}

type connection struct {
	net.Conn

	all *connections
}

// Close closes the connection.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}
