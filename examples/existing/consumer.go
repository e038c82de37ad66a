package main

import (
	"context"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/workerfx/workerfx"
)

// topic is what the consumer reads.
const topic = "orders"

// NewBroker makes a message broker in memory. That of an app would be Kafka, NATS or the like, with the same interfaces.
func NewBroker() *gochannel.GoChannel {
	return gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 10, Persistent: true}, watermill.NopLogger{})
}

// Inbox gets the messages that were consumed.
type Inbox chan string

// NewInbox makes an inbox.
func NewInbox() Inbox { return make(Inbox, 100) }

// Consumer reads a topic of a broker. A message that was not acknowledged comes again, so a failure loses none.
type Consumer struct {
	broker *gochannel.GoChannel
	inbox  Inbox
}

// NewConsumer makes a consumer.
func NewConsumer(broker *gochannel.GoChannel, inbox Inbox) *Consumer { return &Consumer{broker, inbox} }

// Name is the worker's name.
func (*Consumer) Name() string { return "consumer" }

// Run consumes messages until the worker stops, as a body of workerfx: each message is a job.
func (c *Consumer) Run(ctx context.Context) error {
	messages, err := c.broker.Subscribe(ctx, topic)
	if err != nil {
		return err
	}
	return workerfx.FromChannel(messages, c.consume)(ctx)
}

func (c *Consumer) consume(ctx context.Context, m *message.Message) error {
	select {
	case c.inbox <- string(m.Payload):
		m.Ack()
		return nil
	case <-ctx.Done():
		m.Nack()
		return ctx.Err()
	}
}
