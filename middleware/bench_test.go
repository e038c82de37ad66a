package middleware_test

import (
	"testing"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// BenchmarkCall is what each middleware adds to a call that does nothing.
func BenchmarkCall(b *testing.B) {
	for name, mw := range map[string]workerfx.Middleware{
		"Counter":   new(middleware.Counter).Middleware(),
		"Elapsed":   new(middleware.Elapsed).Middleware(),
		"Retry":     middleware.Retry(3, workerfx.StaticBackoff{}),
		"Singleton": middleware.Singleton(middleware.NewLocalLocker()),
	} {
		run := mw(succeeds)
		ctx := b.Context()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = run(ctx)
			}
		})
	}
}

// BenchmarkCallsAtOnce is the same from many goroutines, all of which use one Counter or Elapsed.
func BenchmarkCallsAtOnce(b *testing.B) {
	for name, mw := range map[string]workerfx.Middleware{
		"Counter": new(middleware.Counter).Middleware(),
		"Elapsed": new(middleware.Elapsed).Middleware(),
	} {
		run := mw(succeeds)
		ctx := b.Context()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_ = run(ctx)
				}
			})
		})
	}
}
