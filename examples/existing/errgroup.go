package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/workerfx/workerfx"
)

// Importer runs code that is built on an errgroup. The first error ends all of its goroutines, and is the run's failure. An
// errgroup does not catch panics: use [workerfx.Go] for code that may panic.
type Importer struct{ sources []string }

// NewImporter makes an importer of three sources.
func NewImporter() *Importer { return &Importer{sources: []string{"news", "weather", "prices"}} }

// Name is the worker's name.
func (*Importer) Name() string { return "importer" }

// Run imports all sources, three times a minute.
func (i *Importer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := i.importAll(ctx); err != nil {
			return err
		}
		workerfx.Wait(ctx, 20*time.Second)
	}
	return ctx.Err()
}

func (i *Importer) importAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, source := range i.sources {
		group.Go(func() error {
			if err := importSource(ctx, source); err != nil {
				return fmt.Errorf("source %q: %w", source, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// importSource would read a source.
func importSource(ctx context.Context, source string) error {
	workerfx.CtxLogger(ctx).Info().Str("source", source).Msg("imported")
	return ctx.Err()
}
