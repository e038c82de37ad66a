package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/workerfx/workerfx"
)

// Orders are what the service has accepted.
type Orders struct {
	accepted chan string
	handled  atomic.Int64
}

// NewOrders has room for orders that wait.
func NewOrders() *Orders { return &Orders{accepted: make(chan string, 100)} }

// Accept takes an order. It fails if ctx ends while there is no room.
func (o *Orders) Accept(ctx context.Context, item string) error {
	select {
	case o.accepted <- item:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// OrderWorkers is a group of workers.
type OrderWorkers struct{ orders *Orders }

// NewOrderWorkers makes the group "orders".
func NewOrderWorkers(orders *Orders) *OrderWorkers { return &OrderWorkers{orders} }

// Name is the name of the group.
func (*OrderWorkers) Name() string { return "orders" }

// Workers handle orders, two at a time, and report every minute.
func (w *OrderWorkers) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("handle", w.handleAll, workerfx.WithReplicas(2)),
		workerfx.NewWorker("report", w.report, workerfx.WithInterval(time.Minute)),
	}
}

// handleAll handles orders until the worker stops. Then it handles those that wait.
func (w *OrderWorkers) handleAll(ctx context.Context) error {
	draining := workerfx.Draining(ctx) // a stop asks before it ends the context
	for {
		select {
		case item := <-w.orders.accepted:
			w.handle(ctx, item)
		case <-draining:
			return w.handleRest(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handleRest handles the orders that wait. The server takes no requests any more.
func (w *OrderWorkers) handleRest(ctx context.Context) error {
	for {
		select {
		case item := <-w.orders.accepted:
			w.handle(ctx, item)
		default:
			return workerfx.ErrStopping
		}
	}
}

func (w *OrderWorkers) handle(ctx context.Context, item string) {
	workerfx.Wait(ctx, 50*time.Millisecond) // it is packed
	w.orders.handled.Add(1)
	workerfx.CountJob(ctx, nil)
	workerfx.CtxLogger(ctx).Info().Str("item", item).Msg("order handled")
}

func (w *OrderWorkers) report(ctx context.Context) error {
	workerfx.CtxLogger(ctx).Info().Int64("handled", w.orders.handled.Load()).Int("waiting", len(w.orders.accepted)).Msg("orders")
	return nil
}
