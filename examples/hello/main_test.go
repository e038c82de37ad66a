package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/fxtest"
)

func TestHelloIsSaidEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := fxtest.New(t, workerfx.ProvideWorker(NewGreeter)).RequireStart()
		time.Sleep(10*time.Second + time.Millisecond)
		e, err := app.Pool.Execution("greeter")
		require.NoError(t, err)
		require.EqualValues(t, 11, e.Runs)
	})
}
