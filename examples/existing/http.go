package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/workerfx/workerfx"
)

// newWeb makes an http.Server a worker. The app ends when the server fails.
func newWeb(listen address, producer *kgo.Client, log zerolog.Logger) workerfx.Worker {
	newServer := func() *http.Server {
		return &http.Server{
			Addr: string(listen), Handler: newHandler(producer), ReadTimeout: 10 * time.Second,
			BaseContext: func(listener net.Listener) context.Context {
				log.Info().Str("url", "http://"+listener.Addr().String()+"/notes").Msg("serving")
				return context.Background()
			},
		}
	}
	return workerfx.NewWorker("web", serve(newServer), workerfx.WithEssential())
}

// serve returns the Run of a worker that is an http.Server. It calls newServer for each run, as a server that was shut
// down cannot serve again.
func serve(newServer func() *http.Server) workerfx.RunFunc {
	return func(ctx context.Context) error {
		draining := workerfx.Draining(ctx) // a stop closes it at once; ctx ends later
		server := newServer()
		// ListenAndServe knows no context. So it has a goroutine of its own, and its error is the error of the run.
		err := workerfx.Go(ctx, func(context.Context) error {
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
		select {
		case <-draining:
		case <-ctx.Done(): // ListenAndServe has failed
		}
		if err := server.Shutdown(ctx); err != nil { // waits for the requests under way
			return errors.Join(err, server.Close()) // they took too long
		}
		return nil
	}
}

// newHandler returns the handler of POST /notes. It answers when the note is in Kafka.
func newHandler(producer *kgo.Client) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notes", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<10))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := producer.ProduceSync(r.Context(), &kgo.Record{Topic: topic, Value: text}).FirstErr(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}
