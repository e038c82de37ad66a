package middleware_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

func TestErrorsAndPanicsPassUntouched(t *testing.T) {
	wrapped := fmt.Errorf("wrapped: %w", errBoom)
	for name, mw := range map[string]workerfx.Middleware{
		"Counter":      new(middleware.Counter).Middleware(),
		"Elapsed":      new(middleware.Elapsed).Middleware(),
		"Retry":        middleware.Retry(3, workerfx.StaticBackoff{}),
		"Pause":        middleware.Pause(time.Millisecond),
		"Timeout":      middleware.Timeout(time.Minute),
		"Trace":        middleware.Trace(),
		"IgnoreErrors": middleware.IgnoreErrors(errors.ErrUnsupported),
		"Singleton":    middleware.Singleton(middleware.NewLocalLocker()),
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, ending{returned: true}, call(t.Context(), mw(succeeds)))
			assert.Equal(t, ending{returned: true, err: wrapped}, call(t.Context(), mw(returning(wrapped, wrapped, wrapped))))
			assert.Equal(t, ending{panicked: errBoom}, call(t.Context(), mw(panics)))
			assert.Equal(t, ending{}, call(t.Context(), mw(goexits)))
		})
	}
}
