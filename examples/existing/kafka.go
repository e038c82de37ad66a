package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/workerfx/workerfx"
)

const (
	topic = "notes"
	group = "readers"
)

// consumer reads a topic as a member of a consumer group. Each run joins the group, and leaves it at its end, so that
// other members take over at once. An offset is committed when the record was handled. So each record is handled at least
// once: the next run begins with the record that failed.
type consumer struct {
	brokers []string
	handle  func(context.Context, *kgo.Record) error
}

// newConsumer makes the consumer a worker. Kafka keeps the records, so it may try for ever.
func newConsumer(b *broker) workerfx.Worker {
	return workerfx.With(&consumer{brokers: b.ListenAddrs(), handle: readNote},
		workerfx.WithName("consumer"),
		workerfx.WithMaxAttempts(0),
		workerfx.WithBackoff(workerfx.ExponentialBackoff{Initial: 100 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.5}),
	)
}

// readNote handles a record.
func readNote(ctx context.Context, record *kgo.Record) error {
	workerfx.CtxLogger(ctx).Info().Bytes("text", record.Value).Msg("note")
	return nil
}

// Run handles records until the worker is asked to stop.
func (c *consumer) Run(ctx context.Context) error {
	draining := workerfx.Draining(ctx) // a stop closes it at once; ctx lives on for a while, for the record at hand
	polling, err := contextUntil(ctx, draining)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.brokers...),
		kgo.ConsumeTopics(topic),
		kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),    // it would commit records that nobody has handled
		kgo.BlockRebalanceOnPoll(), // nobody else gets the records while this run handles them
	)
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance()
	for {
		records := client.PollRecords(polling, 100)
		if polling.Err() != nil {
			return nil
		}
		if err := records.Err(); err != nil {
			return err
		}
		if err := c.handleAll(ctx, draining, client, records); err != nil {
			return err
		}
		client.AllowRebalance()
	}
}

// contextUntil returns a context that ends with ctx, or when draining is closed. It is for calls that wait for something
// new, and know only contexts.
func contextUntil(ctx context.Context, draining <-chan struct{}) (context.Context, error) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, workerfx.Go(ctx, func(ctx context.Context) error {
		defer cancel()
		select {
		case <-draining:
		case <-ctx.Done():
		}
		return nil
	})
}

// handleAll handles records, and commits the handled ones. It ends early if a record fails or the run has to finish.
func (c *consumer) handleAll(ctx context.Context, draining <-chan struct{}, client *kgo.Client, records kgo.Fetches) (err error) {
	var handled []*kgo.Record
	for record := range records.RecordsAll() {
		if isClosed(draining) {
			break // the next run gets the others
		}
		err = c.handle(ctx, record)
		workerfx.CountJob(ctx, err) // for the metric worker_jobs_total
		if err != nil {
			err = fmt.Errorf("topic %s, partition %d, offset %d: %w", record.Topic, record.Partition, record.Offset, err)
			break
		}
		handled = append(handled, record)
	}
	if len(handled) == 0 {
		return err
	}
	return errors.Join(err, client.CommitRecords(ctx, handled...))
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
