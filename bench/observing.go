package main

import (
	"context"
	"io"
	"slices"

	"github.com/ankorstore/yokai/worker"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/workerfx/workerfx"
)

// processor is a span processor that does nothing.
type processor struct{}

// OnStart does nothing.
func (processor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd does nothing.
func (processor) OnEnd(sdktrace.ReadOnlySpan) {}

// Shutdown does nothing.
func (processor) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (processor) ForceFlush(context.Context) error { return nil }

func newTracerProvider() *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor{}))
}

// spans starts and ends n spans, with these attributes.
func spans(ctx context.Context, m *meter, provider *sdktrace.TracerProvider, n int, attributes ...attribute.KeyValue) {
	tracer := provider.Tracer("bench")
	m.start()
	for range n {
		_, span := tracer.Start(ctx, "job")
		if attributes != nil {
			span.SetAttributes(attributes...)
		}
		span.End()
	}
	m.stop(n)
}

func plainSpans(n int) side {
	return side{"plain spans", func(m *meter) { spans(context.Background(), m, newTracerProvider(), n) }}
}

// spansWithAttributes have two attributes, as those of a run have, and nothing to do with a run.
func spansWithAttributes(n int) side {
	return side{"any two attributes", func(m *meter) {
		spans(context.Background(), m, newTracerProvider(), n, attribute.String("Worker", "jobs"), attribute.String("WorkerExecutionID", "1"))
	}}
}

// inRun measures something in a run of a worker.
func inRun(measure func(ctx context.Context, m *meter), opts ...workerfx.PoolOption) func(m *meter) {
	return func(m *meter) {
		inPool(1, func(ctx context.Context) error {
			measure(ctx, m)
			return nil
		}, opts...)
	}
}

func ourSpans(n int) side {
	return side{"workerfx", func(m *meter) {
		provider := newTracerProvider()
		inRun(func(ctx context.Context, m *meter) { spans(ctx, m, provider, n) }, workerfx.WithTracerProvider(provider))(m)
	}}
}

func yokaiSpans(n int) side {
	return side{"yokai", func(m *meter) {
		provider := newTracerProvider()
		worker.AnnotateTracerProvider(provider)
		done := make(chan struct{})
		p := worker.NewWorkerPool(worker.WithWorker(&yokaiWorker{"inner", func(ctx context.Context) error {
			defer close(done)
			spans(ctx, m, provider, n)
			return nil
		}}))
		check(p.Start(context.Background()))
		<-done
		check(p.Stop())
	}}
}

// loggerInHand is the logger that a run has, kept in a variable.
func loggerInHand(n int) side {
	return side{"logger in hand", inRun(func(ctx context.Context, m *meter) {
		logger := workerfx.CtxLogger(ctx)
		m.start()
		for i := range n {
			logger.Info().Int("n", i).Msg("line")
		}
		m.stop(n)
	}, discarded())}
}

func loggerOfCtx(n int) side {
	return side{"workerfx", inRun(func(ctx context.Context, m *meter) {
		workerfx.CtxLogger(ctx)
		m.start()
		for i := range n {
			workerfx.CtxLogger(ctx).Info().Int("n", i).Msg("line")
		}
		m.stop(n)
	}, discarded())}
}

func discarded() workerfx.PoolOption { return workerfx.WithLogger(zerolog.New(io.Discard)) }

// withWorkers measures something beside a pool of n workers that run.
func withWorkers(n int, measure func(m *meter, p *workerfx.Pool), opts ...workerfx.PoolOption) func(m *meter) {
	return func(m *meter) {
		p := newPool(opts...)
		startWorkers(p, n, func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		check(p.Ready(context.Background()))
		measure(m, p)
		check(p.Stop(context.Background()))
	}
}

// copied is what it costs to copy the reports on n workers, with their events.
func copied(n, times int) side {
	return side{"copy of the structs", withWorkers(n, func(m *meter, p *workerfx.Pool) {
		all := p.Executions()
		m.start()
		for range times {
			copyOf(all)
		}
		m.stop(times * n)
	})}
}

func copyOf(all []workerfx.Execution) []workerfx.Execution {
	reports, events := slices.Clone(all), make([]workerfx.Event, 0, len(all))
	for i := range reports {
		begin := len(events)
		events = append(events, reports[i].Events...)
		reports[i].Events = events[begin:]
	}
	return reports
}

func executions(n, times int) side {
	return side{"workerfx", withWorkers(n, func(m *meter, p *workerfx.Pool) {
		m.start()
		for range times {
			p.Executions()
		}
		m.stop(times * n)
	})}
}

// vectors are as many series of client_golang's own as a pool of n workers has.
func vectors(n, times int) side {
	return side{"client_golang", func(m *meter) {
		registry, ours := prometheus.NewPedanticRegistry(), prometheus.NewPedanticRegistry()
		withWorkers(n, func(*meter, *workerfx.Pool) {
			for _, family := range must(ours.Gather()) {
				var names []string
				for _, pair := range family.GetMetric()[0].GetLabel() {
					names = append(names, pair.GetName())
				}
				vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: family.GetName(), Help: family.GetHelp()}, names)
				for _, metric := range family.GetMetric() {
					var values []string
					for _, pair := range metric.GetLabel() {
						values = append(values, pair.GetValue())
					}
					vec.WithLabelValues(values...).Set(1)
				}
				check(registry.Register(vec))
			}
		}, workerfx.WithRegisterer(ours))(m)
		gather(m, registry, n, times)
	}}
}

func scrape(n, times int) side {
	return side{"workerfx", func(m *meter) {
		registry := prometheus.NewPedanticRegistry()
		withWorkers(n, func(m *meter, _ *workerfx.Pool) { gather(m, registry, n, times) }, workerfx.WithRegisterer(registry))(m)
	}}
}

func gather(m *meter, registry prometheus.Gatherer, n, times int) {
	m.start()
	for range times {
		must(registry.Gather())
	}
	m.stop(times * n)
}

func observingWorks(size func(n int) int) []work {
	n, many := size(300_000), size(1_000)
	works := []work{{
		name: "span within a run", unit: "span", goal: 1.35, baseline: plainSpans(n),
		contenders: []side{ourSpans(n), spansWithAttributes(n), yokaiSpans(n)},
	}, {
		name: "log line through the context", unit: "line", goal: 1.1, baseline: loggerInHand(n), contenders: []side{loggerOfCtx(n)},
	}, {
		name: "scrape of 1,000 workers", unit: "worker", goal: 1.5, baseline: vectors(many, 20), contenders: []side{scrape(many, 20)},
	}}
	for _, w := range []struct {
		n, times int
		name     string
		goal     float64
	}{{1_000, 100, "1,000", 2}, {10_000, 10, "10,000", 0}, {100_000, 3, "100,000", 0}, {1_000_000, 1, "1,000,000", 0}} {
		n := size(w.n)
		works = append(works, work{
			name: "Executions() of " + w.name + " workers", unit: "worker", goal: w.goal, rounds: 5,
			baseline: copied(n, w.times), contenders: []side{executions(n, w.times)},
		})
	}
	return works
}
