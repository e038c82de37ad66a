// Orders places orders, and confirms each of them once. It writes an order and enqueues its confirmation in one
// transaction of database/sql, by hand or through bun. A library such as gorm, ent or sqlx would do as well.
//
//	orders -db postgres://user@host/database Ada Bob            # database/sql
//	orders -db postgres://user@host/database -bun Ada Bob       # bun
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"go.uber.org/fx"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config has the values of the flags.
type config struct {
	url string
	bun bool
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	flags := flag.NewFlagSet("orders", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.url, "db", "postgres://postgres@localhost/postgres", "the `URL` of a PostgreSQL, in which the table orders is made")
	flags.BoolVar(&c.bun, "bun", false, "write with bun")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	log := zerolog.New(stderr).Level(zerolog.WarnLevel).With().Timestamp().Logger()
	if err := order(ctx, c, log, flags.Args(), stdout); err != nil {
		_, _ = fmt.Fprintln(stderr, "orders:", err)
		return 1
	}
	return 0
}

// order runs the app, places an order for each customer, waits for the confirmations, and prints them.
func order(ctx context.Context, c config, log zerolog.Logger, customers []string, stdout io.Writer) (err error) {
	var s *shop
	shopApp := fx.New(app(c, log), fx.Populate(&s))
	starting, cancel := context.WithTimeout(ctx, shopApp.StartTimeout())
	defer cancel()
	if err := shopApp.Start(starting); err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shopApp.StopTimeout())
		defer cancel()
		err = errors.Join(err, shopApp.Stop(stopping))
	}()
	for _, customer := range customers {
		if err := s.place(ctx, customer); err != nil {
			return fmt.Errorf("order of %q: %w", customer, err)
		}
	}
	if err := s.jobs.Drain(ctx); err != nil {
		return err
	}
	return s.print(ctx, stdout)
}
