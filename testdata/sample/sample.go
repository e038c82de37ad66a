// Package sample has the workers of an app as tests need it.
package sample

import (
	"context"

	"github.com/workerfx/workerfx"
)

// Mailer is a worker that runs until it is stopped.
type Mailer struct{}

// NewMailer makes a Mailer.
func NewMailer() *Mailer { return &Mailer{} }

// Run waits to be stopped.
func (*Mailer) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Fetcher is a group of workers called "git".
type Fetcher struct{}

// NewFetcher makes a Fetcher.
func NewFetcher() *Fetcher { return &Fetcher{} }

// Name is "git".
func (*Fetcher) Name() string { return "git" }

// Workers are "commits", which has two attempts, and "pulls".
func (*Fetcher) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("commits", (&Mailer{}).Run, workerfx.WithMaxAttempts(2)),
		workerfx.NewWorker("pulls", (&Mailer{}).Run),
	}
}
