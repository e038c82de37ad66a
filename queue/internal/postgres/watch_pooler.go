package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/workerfx/workerfx/queue/internal/database"
)

// watchPooler gives the lock up when the pooler is silent, until end is called. The connection of the lock does not lead
// through the pooler, and some calls of River have no timeout. So nobody else would notice.
func (d *Database) watchPooler(lock *Lock, pool *pgxpool.Pool) (end func()) {
	if d.direct == d.config {
		return func() {}
	}
	ctx, cancel := context.WithCancel(lock.alive)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(d.lease / 4)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := d.checkSilence(ctx, pool); err != nil && ctx.Err() == nil {
				lock.lose(fmt.Errorf("%w: the pooler in between does not answer: %w", database.ErrLockLost, err))
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// checkSilence returns an error if the pooler is silent. An error that it answers with is no silence: River's calls get it,
// too. It may be silent because transactions of handlers use all its connections to the server. But it takes a new client
// then.
func (d *Database) checkSilence(ctx context.Context, pool *pgxpool.Pool) error {
	ping, cancel := context.WithTimeout(ctx, d.lease/4)
	defer cancel()
	if err := pool.Ping(ping); err == nil || ping.Err() == nil {
		return nil
	}
	connect, cancel := context.WithTimeout(ctx, d.lease/4)
	defer cancel()
	conn, err := pgconn.ConnectConfig(connect, &d.config.ConnConfig.Config)
	if err == nil {
		_ = conn.Close(connect)
		return nil
	}
	return connect.Err()
}
