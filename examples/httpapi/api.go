package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

const (
	acceptTimeout = 5 * time.Second // a client waits for a packer that long
	maxBody       = 1 << 10         // of a request, in bytes
)

// newAPI returns the handler of the API.
func newAPI(o *Orders) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", o.serveNew)
	mux.HandleFunc("GET /orders/{id}", o.serveOne)
	return mux
}

// serveNew accepts an order. The answer 202 is a promise: the order will be packed.
func (o *Orders) serveNew(w http.ResponseWriter, r *http.Request) {
	order, err := readOrder(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptTimeout)
	defer cancel()
	order, err = o.Accept(ctx, order)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Location", "/orders/"+strconv.Itoa(order.ID))
	writeOrder(w, http.StatusAccepted, order)
}

// readOrder reads what the customer may say about an order. Anything else is an error.
func readOrder(w http.ResponseWriter, r *http.Request) (Order, error) {
	var body struct {
		Item   string `json:"item"`
		Amount int    `json:"amount"`
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	switch err := decoder.Decode(&body); {
	case err != nil:
		return Order{}, err
	case body.Item == "":
		return Order{}, errors.New("item: must not be empty")
	case body.Amount < 1:
		return Order{}, errors.New("amount: must be at least 1")
	}
	return Order{Item: body.Item, Amount: body.Amount}, nil
}

// serveOne shows an order.
func (o *Orders) serveOne(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if order, found := o.Find(id); err == nil && found {
		writeOrder(w, http.StatusOK, order)
		return
	}
	http.NotFound(w, r)
}

func writeOrder(w http.ResponseWriter, status int, order Order) {
	body, err := json.Marshal(order)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away needs no answer
}
