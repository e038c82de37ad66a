package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/workerfx/workerfx"
)

// startKafka starts a broker whose topic has n notes, "0" and so on.
func startKafka(t *testing.T, n int) *broker {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	require.NoError(t, err)
	defer producer.Close()
	for i := range n {
		require.NoError(t, producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}).FirstErr())
	}
	return &broker{cluster}
}

// notes are the texts of the records that were handled.
type notes struct {
	mu   sync.Mutex // guards read
	read []string
}

func (n *notes) add(record *kgo.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read = append(n.read, string(record.Value))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.read...)
}

// startConsumer starts a pool with a consumer.
func startConsumer(t *testing.T, b *broker, handle func(context.Context, *kgo.Record) error) *workerfx.Pool {
	t.Helper()
	return startPool(t, &consumer{brokers: b.ListenAddrs(), handle: handle}, workerfx.WithName("consumer"),
		workerfx.WithMaxAttempts(0), workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: time.Millisecond}))
}

func TestARecordThatFailedIsHandledAgainAndNoneIsLeftOut(t *testing.T) {
	b := startKafka(t, 10)
	var read notes
	failed := false // the runs of one worker follow each other

	pool := startConsumer(t, b, func(_ context.Context, record *kgo.Record) error {
		if string(record.Value) == "4" && !failed {
			failed = true
			return errors.New("out of ink")
		}
		read.add(record)
		return nil
	})

	require.Eventually(t, func() bool { return len(read.all()) >= 10 }, patience, time.Millisecond)
	e, err := pool.Execution("consumer")
	require.NoError(t, err)
	require.ErrorContains(t, e.Err, "topic notes, partition 0, offset 4: out of ink", "the last failure")
	require.NoError(t, stop(pool))
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}, read.all())
	e, err = pool.Execution("consumer")
	require.NoError(t, err)
	require.EqualValues(t, 10, e.Jobs)
	require.EqualValues(t, 1, e.FailedJobs)
}

func TestAStopFinishesTheRecordAtHandAndTheNextConsumerGoesOnAfterIt(t *testing.T) {
	b := startKafka(t, 5)
	var read notes
	began, goOn := make(chan struct{}), make(chan struct{})
	pool := startConsumer(t, b, func(ctx context.Context, record *kgo.Record) error {
		if string(record.Value) == "2" {
			close(began)
			<-goOn
		}
		read.add(record)
		return ctx.Err() // the context has not ended
	})
	<-began
	stopped := make(chan error)
	go func() { stopped <- stop(pool) }()
	require.Eventually(t, func() bool { return errors.Is(pool.Health(), workerfx.ErrPoolStopped) }, patience, time.Millisecond)
	close(goOn)
	require.NoError(t, <-stopped)
	require.Equal(t, []string{"0", "1", "2"}, read.all())

	next := startConsumer(t, b, func(_ context.Context, record *kgo.Record) error {
		read.add(record)
		return nil
	})

	require.Eventually(t, func() bool { return len(read.all()) >= 5 }, patience, time.Millisecond)
	require.NoError(t, stop(next))
	require.Equal(t, []string{"0", "1", "2", "3", "4"}, read.all())
}
