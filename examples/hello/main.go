// Hello is the smallest app with a worker: it says hello every second until Ctrl-C.
//
//	go run ./examples/hello
package main

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/fx"

	"github.com/workerfx/workerfx"
)

// NewGreeter makes the worker. It may take whatever the app provides.
func NewGreeter() workerfx.Worker {
	return workerfx.NewWorker("greeter", func(context.Context) error {
		fmt.Println("hello")
		return nil
	}, workerfx.WithInterval(time.Second), workerfx.WithStartImmediately())
}

func main() {
	fx.New(fx.NopLogger, workerfx.Module, workerfx.ProvideWorker(NewGreeter)).Run()
}
