package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/workerfx/workerfx"
)

const (
	maxReaders   = 64               // of changes at the same time
	readerBuffer = 1024             // changes that wait for a reader
	readerWait   = 5 * time.Second  // for a reader to take what was written; then it is dropped
	keepAlive    = 15 * time.Second // between two signs of life, where nothing changes
)

// changeJSON is a change, as the stream of changes has it.
type changeJSON struct {
	Worker      string    `json:"worker"`
	Replica     int       `json:"replica"`
	Status      string    `json:"status"`
	Message     string    `json:"message,omitempty"`
	ExecutionID string    `json:"executionId,omitempty"`
	Time        time.Time `json:"time"`
}

func newChange(c workerfx.Change) changeJSON {
	return changeJSON{c.Worker, c.Replica, c.Status.String(), c.Message, c.ExecutionID, c.Time}
}

// missedJSON tells how many changes a slow reader has missed.
type missedJSON struct {
	Missed int64 `json:"missed"`
}

// eventsAPI answers GET api/events with changes, as they happen, until the reader goes or is too slow, the pool has
// stopped, or the server shuts down.
func (h *handler) eventsAPI(w http.ResponseWriter, r *http.Request) {
	select {
	case h.readers <- struct{}{}:
		defer func() { <-h.readers }()
	default:
		w.Header().Set("Retry-After", "10")
		h.fail(w, r, &requestError{http.StatusServiceUnavailable, fmt.Sprintf("%d readers of changes are connected; no more are allowed", maxReaders)})
		return
	}
	s := &stream{w: w, control: http.NewResponseController(w), changes: h.pool.Subscribe(readerBuffer)}
	defer s.changes.Close()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // for proxies
	if r.Method == http.MethodHead {
		return
	}
	if err := s.control.Flush(); err != nil { // such as within middleware that hides Flush
		h.fail(w, r, &requestError{http.StatusInternalServerError, "changes cannot be sent as they happen: " + err.Error()})
		return
	}
	s.serve(r, h.shutdowns.of(r))
}

// stream writes changes to one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	changes *workerfx.Subscription
	missed  int64 // that the reader was told of
	err     error // the reader has gone or is too slow
}

func (s *stream) serve(r *http.Request, shutdown <-chan struct{}) {
	s.comment("connected")
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for s.err == nil {
		select {
		case change, open := <-s.changes.C:
			if !open {
				return
			}
			s.send(change)
		case <-alive.C:
			s.comment("")
		case <-r.Context().Done():
			return
		case <-shutdown:
			return
		}
	}
}

// send writes a change and those that wait behind it.
func (s *stream) send(c workerfx.Change) {
	s.deadline()
	s.write("change", newChange(c))
	for range len(s.changes.C) {
		c, open := <-s.changes.C
		if !open {
			break
		}
		s.write("change", newChange(c))
	}
	if dropped := s.changes.Dropped(); dropped > s.missed {
		s.write("missed", missedJSON{dropped - s.missed})
		s.missed = dropped
	}
	s.flush()
}

// comment writes a line that readers ignore.
func (s *stream) comment(text string) {
	s.deadline()
	_, s.err = fmt.Fprintf(s.w, ": %s\n\n", text)
	s.flush()
}

func (s *stream) write(event string, data any) {
	if s.err != nil {
		return
	}
	line, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	_, s.err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, line)
}

func (s *stream) deadline() {
	_ = s.control.SetWriteDeadline(time.Now().Add(readerWait)) // not every writer has deadlines
}

// flush sends what was written. The deadline is for that only: HTTP/2 ends a stream whose deadline passes while it waits.
func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
	_ = s.control.SetWriteDeadline(time.Time{})
}
