package main

import (
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"
)

// broker is a broker of Kafka in memory. It speaks Kafka's protocol. An app has the addresses of real brokers instead.
type broker struct{ *kfake.Cluster }

func newBroker(lifecycle fx.Lifecycle) (*broker, error) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StopHook(cluster.Close))
	return &broker{cluster}, nil
}

// newProducer makes the client that writes to Kafka.
func newProducer(lifecycle fx.Lifecycle, b *broker) (*kgo.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...))
	if err != nil {
		return nil, err
	}
	lifecycle.Append(fx.StopHook(client.Close))
	return client, nil
}
