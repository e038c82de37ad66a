package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/rs/zerolog"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/queue"
)

func app(c config, log zerolog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger, // errors are returned
		fx.Supply(c, log),
		fx.Provide(openDB, newShop),
		workerfx.Module,
		queue.Module(queue.Postgres(c.url)),
		queue.ProvideHandler[confirmation](func() queue.HandlerTxFunc[confirmation, *sql.Tx] { return confirm }),
	)
}

// openDB opens the app's own connections, as an app without a queue does.
func openDB(lifecycle fx.Lifecycle, c config) (*sql.DB, error) {
	db, err := sql.Open("pgx", c.url)
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StartStopHook(func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY,
			customer text NOT NULL, confirmations integer NOT NULL DEFAULT 0)`)
		return err
	}, db.Close))
	return db, nil
}

// confirmation is the job that confirms an order.
type confirmation struct {
	Order int64 `json:"order"`
}

func (confirmation) Kind() string { return "confirmation" }

// confirm writes in the transaction that ends the job. So each order is confirmed exactly once.
func confirm(ctx context.Context, tx *sql.Tx, job *queue.Job[confirmation]) error {
	_, err := tx.ExecContext(ctx, `UPDATE orders SET confirmations = confirmations + 1 WHERE id = $1`, job.Args.Order)
	return err
}

// shop places orders.
type shop struct {
	db   *sql.DB
	jobs *queue.Client
	bun  *bun.DB // nil to write without it
}

func newShop(c config, db *sql.DB, jobs *queue.Client) *shop {
	s := &shop{db: db, jobs: jobs}
	if c.bun {
		s.bun = bun.NewDB(db, pgdialect.New())
	}
	return s
}

// place writes an order and enqueues its confirmation: both, or neither if there is an error.
func (s *shop) place(ctx context.Context, customer string) error {
	if s.bun != nil {
		return s.bun.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return s.placeWithBun(ctx, tx, customer) })
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after the commit it does nothing
	var id int64
	if err := tx.QueryRowContext(ctx, `INSERT INTO orders (customer) VALUES ($1) RETURNING id`, customer).Scan(&id); err != nil {
		return err
	}
	if _, err := s.jobs.EnqueueTx(ctx, tx, confirmation{Order: id}); err != nil {
		return err
	}
	return tx.Commit()
}

// orderRow is a row of the table orders, for bun.
type orderRow struct {
	bun.BaseModel `bun:"table:orders"`

	ID       int64 `bun:",pk,autoincrement"`
	Customer string
}

func (s *shop) placeWithBun(ctx context.Context, tx bun.Tx, customer string) error {
	row := &orderRow{Customer: customer}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	_, err := s.jobs.EnqueueTx(ctx, tx.Tx, confirmation{Order: row.ID}) // bun's transaction has one of database/sql
	return err
}

// print prints all orders.
func (s *shop) print(ctx context.Context, to io.Writer) error {
	rows, err := s.db.QueryContext(ctx, `SELECT id, customer, confirmations FROM orders ORDER BY id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, confirmations int64
		var customer string
		if err := rows.Scan(&id, &customer, &confirmations); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "order %d of %s: %d confirmations\n", id, customer, confirmations); err != nil {
			return err
		}
	}
	return rows.Err()
}
