package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/workerfx/workerfx"
)

// Order is what a customer wants.
type Order struct {
	ID     int    `json:"id"`
	Item   string `json:"item"`
	Amount int    `json:"amount"`
	Packed bool   `json:"packed"`
}

// Orders has all orders. They are in memory, and a crash loses them. Orders that must survive a crash belong into a
// database, and their jobs into a durable queue: see module queue.
type Orders struct {
	// toPack has no buffer, so an order is accepted when a packer has it. The pool promises that a worker handles the
	// items that it has received before it stops. Items in a buffer would be lost.
	toPack   chan int
	packTime time.Duration

	mu   sync.Mutex // guards the fields below
	all  map[int]Order
	last int // ID
}

// NewOrders begins without orders.
func NewOrders(c config) (*Orders, error) {
	if c.pack < 0 {
		return nil, fmt.Errorf("flag -pack %v: must not be negative", c.pack)
	}
	return &Orders{toPack: make(chan int), packTime: c.pack, all: make(map[int]Order)}, nil
}

// errBusy says that no packer had time for an order.
var errBusy = errors.New("all packers are busy, try again later")

// Accept hands an order to a packer, and returns it with its ID. It waits until a packer has time. If ctx ends before,
// the order is not accepted, and the error is errBusy.
func (o *Orders) Accept(ctx context.Context, order Order) (Order, error) {
	order = o.add(order)
	select {
	case o.toPack <- order.ID:
		return order, nil
	case <-ctx.Done():
		o.remove(order.ID)
		return Order{}, errBusy
	}
}

func (o *Orders) add(order Order) Order {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last++
	order.ID = o.last
	o.all[order.ID] = order
	return order
}

func (o *Orders) remove(id int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.all, id)
}

// Find returns the order with this ID.
func (o *Orders) Find(id int) (order Order, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	order, found = o.all[id]
	return order, found
}

// newPacker makes the worker that packs the orders, two at a time. If it fails, it begins again with the same order.
func newPacker(o *Orders) workerfx.Worker {
	return workerfx.NewWorker("packer", workerfx.FromChannel(o.toPack, o.pack),
		workerfx.WithReplicas(2), workerfx.WithMaxAttempts(0))
}

// pack packs one order. Its context lives on for a while when the app stops, so that the order gets done.
func (o *Orders) pack(ctx context.Context, id int) error {
	if workerfx.Wait(ctx, o.packTime); ctx.Err() != nil {
		return ctx.Err()
	}
	o.markPacked(id)
	workerfx.CtxLogger(ctx).Info().Int("order", id).Msg("packed")
	return nil
}

func (o *Orders) markPacked(id int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	order := o.all[id]
	order.Packed = true
	o.all[id] = order
}

// newReport makes the worker that reports, on its schedule.
func newReport(c config, o *Orders) workerfx.Worker {
	return workerfx.NewWorker("report", o.report, workerfx.WithInterval(c.report))
}

// report is one run of the worker.
func (o *Orders) report(ctx context.Context) error {
	total, packed := o.count()
	workerfx.CtxLogger(ctx).Info().Int("orders", total).Int("packed", packed).Msg("report")
	return nil
}

func (o *Orders) count() (total, packed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, order := range o.all {
		if order.Packed {
			packed++
		}
	}
	return len(o.all), packed
}
