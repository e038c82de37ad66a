package queue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/internal/constructor"
	"github.com/workerfx/workerfx/internal/nilcheck"
	"github.com/workerfx/workerfx/internal/safecall"
)

// Handler does the jobs of one kind. Handle is called from many goroutines at once. It is called at least once for
// each job: if a process dies during a job, another process does the job again. What its error means:
//
//	nil                         the job is done
//	Discard(err)                it is given up, and becomes a dead letter
//	RescheduleIn, RescheduleAt  it runs again then; the attempt does not count
//	any other error, a panic    the attempt failed: backoff, then the next attempt; after the last one a dead letter
//	its context's error, while  the attempt does not count; it runs again at once, here or elsewhere
//	the worker stops
//
// The context carries the logger, with the fields "worker", "workerExecutionID" (the job's ID), "kind" and
// "attempt", the tracer with the job's span, and the job itself ([CtxJob]). [context.Cause] says why it has ended:
//
//	context.DeadlineExceeded  the handler's timeout has passed ([WithTimeout])
//	ErrCancelled              the job was cancelled ([Client.Cancel])
//	workerfx.ErrStopping      the worker stops, and the time for its jobs is over
//	ErrLockLost               the worker has lost its lock, and others may take over the job
//	ErrDatabaseRefuses        the database refuses to work
//	another error             the worker's run ends for another reason, such as its run timeout (workerfx.WithRunTimeout)
type Handler[A Args] interface {
	Handle(ctx context.Context, job *Job[A]) error
}

// HandlerTx is a [Handler] with a transaction, in which the job is then completed. Its writes and the end of the
// job are one commit: they happen exactly once. If it returns an error, or another process has taken over the job,
// nothing is written. T is *[sql.Tx], or on PostgreSQL also [pgx.Tx]. On PostgreSQL, both use a connection of the
// queue's pgx pool. The handler must not commit and not roll back. SQLite has one transaction at a time: all other
// jobs wait for it, and within it only EnqueueTx enqueues.
type HandlerTx[A Args, T any] interface {
	HandleTx(ctx context.Context, tx T, job *Job[A]) error
}

// HandlerFunc is a function that is a [Handler].
type HandlerFunc[A Args] func(ctx context.Context, job *Job[A]) error

// Handle calls f.
func (f HandlerFunc[A]) Handle(ctx context.Context, job *Job[A]) error { return f(ctx, job) }

// HandlerTxFunc is a function that is a [HandlerTx].
type HandlerTxFunc[A Args, T any] func(ctx context.Context, tx T, job *Job[A]) error

// HandleTx calls f.
func (f HandlerTxFunc[A, T]) HandleTx(ctx context.Context, tx T, job *Job[A]) error {
	return f(ctx, tx, job)
}

// HandlerOption configures one handler. A value that is out of range is an error of fx.New that names the kind.
type HandlerOption func(*handler)

// WithBackoff sets the wait between the attempts of a job. By default, River sets it: the fourth power of the number
// of attempts in seconds, plus or minus a tenth: 1s, 16s, 81s. The default of 25 attempts takes three weeks.
func WithBackoff(b workerfx.Backoff) HandlerOption {
	return func(h *handler) { h.backoff, h.backoffSet = b, true }
}

// WithTimeout ends the context of each attempt after d. The default, 0, is no timeout.
func WithTimeout(d time.Duration) HandlerOption {
	return func(h *handler) { h.timeout = d }
}

// WithMiddleware wraps each attempt. The first middleware is the outermost.
func WithMiddleware(mw ...workerfx.Middleware) HandlerOption {
	return func(h *handler) { h.middleware = append(h.middleware, mw...) }
}

// handler has the settings of a kind, and the function that does its jobs.
type handler struct {
	kind   string
	name   string // of the constructor, for errors
	txType reflect.Type
	handle func(ctx context.Context, tx any, job JobInfo) error // tx is nil unless txType is set

	backoff    workerfx.Backoff // nil for River's
	backoffSet bool
	timeout    time.Duration
	middleware []workerfx.Middleware
}

var (
	pgxTxType = reflect.TypeFor[pgx.Tx]()
	sqlTxType = reflect.TypeFor[*sql.Tx]()
)

// newHandler makes a handler of what a constructor has made. The type of the constructor's result decides whether it gets
// a transaction.
func newHandler[A Args](c *constructor.Constructor, made any, opts []HandlerOption) (*handler, error) {
	h := &handler{name: c.Name}
	var err error
	if h.kind, err = kindOf[A](); err != nil {
		return nil, err
	}
	if plain, _ := handles[A](c.Result); plain {
		made, _ := made.(Handler[A])
		h.handle = func(ctx context.Context, _ any, info JobInfo) error {
			return decoded(info, func(job *Job[A]) error { return made.Handle(ctx, job) })
		}
	} else {
		setHandleTx[A](h, made)
	}
	for i, opt := range opts {
		if opt == nil {
			return nil, fmt.Errorf("handler of kind %q: option %d is nil", h.kind, i+1)
		}
		opt(h)
	}
	return h, h.validate()
}

// setHandleTx sets the function and the transaction of a handler with a transaction.
func setHandleTx[A Args](h *handler, made any) {
	switch made := made.(type) {
	case HandlerTx[A, pgx.Tx]:
		h.txType = pgxTxType
		h.handle = func(ctx context.Context, tx any, info JobInfo) error {
			return decoded(info, func(job *Job[A]) error { return made.HandleTx(ctx, tx.(pgx.Tx), job) })
		}
	case HandlerTx[A, *sql.Tx]:
		h.txType = sqlTxType
		h.handle = func(ctx context.Context, tx any, info JobInfo) error {
			return decoded(info, func(job *Job[A]) error { return made.HandleTx(ctx, tx.(*sql.Tx), job) })
		}
	}
}

// decoded calls do with the job's arguments.
func decoded[A Args](info JobInfo, do func(*Job[A]) error) error {
	job := &Job[A]{JobInfo: info}
	if err := json.Unmarshal(info.RawArgs, &job.Args); err != nil {
		return fmt.Errorf("arguments of kind %q do not decode into a %T: %w", info.Kind, job.Args, err)
	}
	return do(job)
}

// handles tells whether values of a type handle jobs of A, without a transaction or in one.
func handles[A Args](t reflect.Type) (plain, inTx bool) {
	return t.Implements(reflect.TypeFor[Handler[A]]()),
		t.Implements(reflect.TypeFor[HandlerTx[A, pgx.Tx]]()) || t.Implements(reflect.TypeFor[HandlerTx[A, *sql.Tx]]())
}

// validKind is the pattern that River accepts.
var validKind = regexp.MustCompile(`\A\w[\w\-\[\]<>/.·:+]+\z`)

// kindOf returns the kind of a zero A.
func kindOf[A Args]() (kind string, err error) {
	t := reflect.TypeFor[A]()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v: Kind panicked on a zero value: %v", t, r)
		}
	}()
	var zero A
	switch t.Kind() {
	case reflect.Interface:
		return "", fmt.Errorf("%v is an interface: name the type of the arguments", t)
	case reflect.Pointer:
		zero, _ = reflect.TypeAssert[A](reflect.New(t.Elem()))
	default:
	}
	kind = zero.Kind()
	return kind, checkKind(t, kind)
}

// maxKind is the longest kind that River's table takes.
const maxKind = 127

func checkKind(t reflect.Type, kind string) error {
	if !validKind.MatchString(kind) {
		return fmt.Errorf("%v: kind %q must have two or more letters, digits or -_<>[]/.:+ and begin with a letter, digit or _", t, kind)
	}
	if len(kind) > maxKind {
		return fmt.Errorf("%v: kind %q has %d characters: %d at most", t, kind, len(kind), maxKind)
	}
	return nil
}

// validate returns an error about settings of the handler that are out of range.
func (h *handler) validate() error {
	bad := func(field string, value any, why string) error {
		return fmt.Errorf("handler of kind %q: %s %v: %s", h.kind, field, value, why)
	}
	var errs []error
	if h.timeout < 0 {
		errs = append(errs, bad("timeout", h.timeout, "must not be negative"))
	}
	if h.backoffSet && nilcheck.IsNil(h.backoff) {
		errs = append(errs, bad("backoff", fmt.Sprintf("%T", h.backoff), "is nil"))
	} else if err := safecall.Validate(h.backoff); err != nil {
		errs = append(errs, bad("backoff", fmt.Sprintf("%+v", h.backoff), err.Error()))
	}
	for i, mw := range h.middleware {
		if mw == nil {
			errs = append(errs, bad("middleware", i+1, "is nil"))
		}
	}
	return errors.Join(errs...)
}

// nextAttempt is the time of the next attempt after a failure. The zero time leaves it to River.
func (h *handler) nextAttempt(attempt int) (at time.Time) {
	if h.backoff == nil {
		return time.Time{}
	}
	defer func() {
		if recover() != nil {
			at = time.Time{} // River's backoff replaces a broken one
		}
	}()
	return time.Now().Add(max(h.backoff.Duration(attempt), 0))
}
