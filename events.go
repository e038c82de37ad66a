package workerfx

import "github.com/workerfx/workerfx/internal/text"

// event is the short form of an [Event]. Its message is built when somebody asks for it.
type event struct {
	kind eventKind
	id   string // of the execution, or empty
	text string // what the kind's message ends with
	at   instant
}

type eventKind uint8

const (
	eventNone eventKind = iota
	eventDeferred
	eventStarted
	eventSucceeded
	eventFailed
	eventWaiting
	eventStopped
	eventSkipped
	eventPaused
	eventResumed
	eventRestarted
	eventTriggered
	eventHeldUp
	eventReady
	eventStuck
	eventRecovered
	eventNoted
)

// The messages of events. A duration, a name or an error's text follows a message that ends in a space.
const (
	EventDeferred  = "deferred for "     // the first run waits
	EventStarted   = "started"           // a run began
	EventSucceeded = "succeeded"         // a run ended well
	EventFailed    = "failed: "          // a run failed with this error
	EventWaiting   = "next attempt in "  // the backoff after a failure
	EventStopped   = "stopped"           // a run, or a wait, ended because it was asked to
	EventSkipped   = "skipped"           // a run of a schedule returned ErrSkip
	EventPaused    = "paused"            // by Pause, or because the replica was scaled down
	EventResumed   = "resumed"           // by Resume
	EventRestarted = "restarted by hand" // by Restart
	EventTriggered = "triggered by hand" // by Trigger
	EventHeldUp    = "waits for "        // the run waits for another worker, see [WithAfter], or for its group
	EventReady     = "ready"             // the run called [Ready]
	EventStuck     = "stuck: "           // the run missed its heartbeat or outlasted its timeout
	EventRecovered = "no longer stuck"   // the run called [Heartbeat] again
	EventNoted     = "note: "            // by [Pool.Note]
)

var eventMessages = [...]string{
	eventDeferred:  EventDeferred,
	eventStarted:   EventStarted,
	eventSucceeded: EventSucceeded,
	eventFailed:    EventFailed,
	eventWaiting:   EventWaiting,
	eventStopped:   EventStopped,
	eventSkipped:   EventSkipped,
	eventPaused:    EventPaused,
	eventResumed:   EventResumed,
	eventRestarted: EventRestarted,
	eventTriggered: EventTriggered,
	eventHeldUp:    EventHeldUp,
	eventReady:     EventReady,
	eventStuck:     EventStuck,
	eventRecovered: EventRecovered,
	eventNoted:     EventNoted,
}

func (e *event) public() Event {
	message := eventMessages[e.kind]
	if e.text != "" {
		message += text.OneLine(e.text)
	}
	return Event{ExecutionID: e.id, Message: message, Time: e.at.time()}
}

// eventRing keeps the latest events. It grows up to its limit. Then a new event replaces the oldest one.
type eventRing struct {
	limit  int
	oldest int // index, once there are as many as the limit
	events []event
}

func (r *eventRing) add(e event) {
	switch {
	case e.kind == eventNone || r.limit == 0:
	case len(r.events) < r.limit:
		r.events = append(r.events, e)
	default:
		r.events[r.oldest] = e
		r.oldest = (r.oldest + 1) % r.limit
	}
}

// appendTo appends the kept events to dst, the oldest first.
func (r *eventRing) appendTo(dst []Event) []Event {
	for i := range r.events {
		dst = append(dst, r.events[(r.oldest+i)%len(r.events)].public())
	}
	return dst
}
