package middleware_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// picky is a backoff that knows that it is not valid.
type picky struct{ workerfx.StaticBackoff }

func (picky) Validate() error { return errors.New("the moon is full") }

// neverLocker is a Locker that may be nil.
type neverLocker struct{ middleware.Locker }

func TestBadInputIsRefusedAtAdd(t *testing.T) {
	var nobody *neverLocker
	var noBackoff *workerfx.ExponentialBackoff
	static := workerfx.StaticBackoff{Sleep: time.Second}
	tests := map[string]struct {
		mw  workerfx.Middleware
		err string
	}{
		"no attempts":        {middleware.Retry(0, static), "middleware.Retry: attempts 0: must be at least 1"},
		"negative attempts":  {middleware.Retry(-3, static), "middleware.Retry: attempts -3: must be at least 1"},
		"no backoff":         {middleware.Retry(3, nil), "middleware.Retry: backoff <nil>: must not be nil"},
		"nil backoff":        {middleware.Retry(3, noBackoff), "middleware.Retry: backoff (*workerfx.ExponentialBackoff)(nil): must not be nil"},
		"bad backoff":        {middleware.Retry(3, picky{}), "middleware.Retry: backoff {{0s}}: the moon is full"},
		"negative pause":     {middleware.Pause(-time.Second), "middleware.Pause: duration -1s: must not be negative"},
		"no timeout":         {middleware.Timeout(0), "middleware.Timeout: duration 0s: must be positive"},
		"negative timeout":   {middleware.Timeout(-time.Second), "middleware.Timeout: duration -1s: must be positive"},
		"nil error":          {middleware.IgnoreErrors(errBoom, nil), "middleware.IgnoreErrors: error 2: must not be nil"},
		"no locker":          {middleware.Singleton(nil), "middleware.Singleton: locker <nil>: must not be nil"},
		"nil locker":         {middleware.Singleton(nobody), "middleware.Singleton: locker (*middleware_test.neverLocker)(nil): must not be nil"},
		"empty span name":    {middleware.Trace(middleware.WithSpanName("")), `middleware.Trace: span name "": must not be empty`},
		"nil tracing option": {middleware.Trace(nil), "middleware.Trace: option 1: must not be nil"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := newPool(t).Add(workerfx.NewWorker("mailer", succeeds, workerfx.WithMiddleware(test.mw)))
			assert.EqualError(t, err, `worker "mailer": `+test.err)
			assert.PanicsWithError(t, test.err, func() { test.mw(succeeds) }, "by hand")
		})
	}
}

func TestEdgesOfGoodInputAreNotRefused(t *testing.T) {
	for name, mw := range map[string]workerfx.Middleware{
		"one attempt": middleware.Retry(1, workerfx.StaticBackoff{}),
		"no pause":    middleware.Pause(0),
		"short time":  middleware.Timeout(1),
	} {
		assert.NoError(t, newPool(t).Add(workerfx.NewWorker("mailer", succeeds, workerfx.WithMiddleware(mw))), name)
	}
}
