package workerfx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

// Importer brings files into a database, with a worker of each shape. It is a group.
type Importer struct {
	files chan string
	rows  chan int
	done  chan struct{} // closed once all rows are written
	wrote int
}

func (*Importer) Name() string { return "importer" }

func (im *Importer) Workers() []workerfx.Worker {
	return []workerfx.Worker{
		workerfx.NewWorker("clean", im.clean, workerfx.WithCron("30 4 * * *")), // every night at half past four
		workerfx.NewWorker("look", im.look, // every minute, and once at the start
			workerfx.WithInterval(time.Minute), workerfx.WithStartImmediately(), workerfx.WithJitter(0.1)),
		workerfx.NewWorker("read", workerfx.FromChannel(im.files, im.read), // each file, four at a time
			workerfx.WithMaxAttempts(0), workerfx.WithReplicas(4), workerfx.WithReplicaLimits(1, 16)),
		workerfx.NewWorker("write", // up to 500 rows at once, none later than 10ms
			workerfx.Batch(im.rows, 500, 10*time.Millisecond, im.write), workerfx.WithMaxAttempts(0)),
		workerfx.NewWorker("sync", workerfx.Loop(im.sync)), // again and again
	}
}

func (*Importer) clean(context.Context) error { return nil }

func (im *Importer) look(context.Context) error {
	im.files <- "a.csv"
	im.files <- "b.csv"
	return nil
}

func (im *Importer) read(_ context.Context, _ string) error {
	for row := range 3 {
		im.rows <- row
	}
	return nil
}

func (im *Importer) write(_ context.Context, batch []int) error {
	if im.wrote += len(batch); im.wrote == 6 {
		close(im.done)
	}
	return nil
}

func (*Importer) sync(ctx context.Context) error {
	workerfx.Wait(ctx, time.Millisecond)
	return nil
}

// One group with a worker of each shape: two schedules, a stream of items, a stream of batches and a loop.
func Example_shapes() {
	im := &Importer{files: make(chan string, 10), rows: make(chan int, 100), done: make(chan struct{})}
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.AddGroup(im)
	_ = pool.Start(context.Background())
	<-im.done
	fmt.Println(im.wrote, "rows written")

	_ = pool.Pause("importer/sync") // no run begins; a loop ends after its current job
	_ = pool.Resume("importer/sync")
	_ = pool.Trigger("importer/clean") // now, and not only at half past four
	_ = pool.Scale("importer/read", 8) // also More and Less
	_ = pool.Restart("importer/look")  // ends its run and begins another

	fmt.Println(pool.Stop(context.Background()))
	// Output:
	// 6 rows written
	// <nil>
}

func ExampleWithInterval() {
	ticks := 0
	refresh := func(context.Context) error {
		ticks++
		fmt.Println("refresh", ticks)
		if ticks == 3 {
			return workerfx.ErrDoNotRestart // ends the schedule, and well
		}
		return nil
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(
		workerfx.NewWorker("cache", refresh),
		workerfx.WithInterval(time.Millisecond),
		workerfx.WithStartImmediately(),
	)
	_ = pool.Start(context.Background())
	awaitStatus(pool, "cache", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())
	// Output:
	// refresh 1
	// refresh 2
	// refresh 3
}

func ExampleWithCron() {
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("report", untilStopped), workerfx.WithCron("CRON_TZ=UTC 30 4 1 1 *"))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "report", workerfx.StatusWaiting)

	e, _ := pool.Execution("report")
	fmt.Println(e.Status, "until", e.NextRunAt.UTC().Format("January 2, 15:04"))

	_ = pool.Stop(context.Background())
	// Output: waiting until January 1, 04:30
}

// What does not make sense is an error before anything runs.
func ExampleWithCron_invalid() {
	pool, _ := workerfx.NewPool()
	err := pool.Add(workerfx.NewWorker("report", untilStopped), workerfx.WithCron("30 24 * * *"))
	fmt.Println(err)
	// Output: worker "report": cron "30 24 * * *": end of range (24) above maximum (23): "24"
}

// Times is a schedule of fixed times. It ends with the last of them, and its worker with it.
type Times []time.Time

func (t Times) Next(after time.Time) time.Time {
	for _, tick := range t {
		if tick.After(after) {
			return tick
		}
	}
	return time.Time{}
}

func ExampleWithSchedule() {
	now := time.Now()
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(
		workerfx.NewWorker("reminder", untilStopped),
		workerfx.WithSchedule(Times{now.Add(-time.Hour), now.Add(2 * time.Hour)}),
	)
	_ = pool.Start(context.Background())
	awaitStatus(pool, "reminder", workerfx.StatusWaiting)

	e, _ := pool.Execution("reminder")
	fmt.Println(e.Status, "for", e.NextRunAt.Sub(now).Round(time.Minute))

	_ = pool.Stop(context.Background())
	// Output: waiting for 2h0m0s
}

// A job that fails is one failed attempt; the next attempt goes on with the next job.
func ExampleLoop() {
	jobs, last := 0, make(chan struct{})
	work := func(ctx context.Context) error {
		switch jobs++; jobs {
		case 3:
			return errors.New("job 3 is broken")
		case 6:
			close(last)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("jobs", workerfx.Loop(work)), workerfx.WithMaxAttempts(2))
	_ = pool.Start(context.Background())
	<-last
	_ = pool.Stop(context.Background())

	e, _ := pool.Execution("jobs")
	fmt.Println(e.Status, "after", e.Runs, "runs,", e.Jobs, "jobs done")
	// Output: stopped after 2 runs, 4 jobs done
}

// An item whose job failed is handed over again by the next attempt.
func ExampleFromChannel() {
	mails := make(chan string, 3)
	mails <- "hello"
	mails <- "world"
	mails <- "bye"
	close(mails) // ends the worker, and well

	tries := 0
	send := func(_ context.Context, mail string) error {
		if tries++; tries == 2 {
			fmt.Println(mail, "failed")
			return errors.New("server is busy")
		}
		fmt.Println(mail, "sent")
		return nil
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("mailer", workerfx.FromChannel(mails, send)), workerfx.WithMaxAttempts(3))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "mailer", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())
	// Output:
	// hello sent
	// world failed
	// world sent
	// bye sent
}

// message is a message of a broker, which counts the attempts.
type message struct {
	id, text string
	attempt  int
}

// A body with jobs of its own, such as a consumer of a broker: each message is a job in logs, traces and metrics.
func ExampleJobContext() {
	messages := make(chan message, 2)
	messages <- message{"4711", "hello", 1}
	messages <- message{"4712", "world", 3}
	close(messages)
	handle := func(ctx context.Context, m message) error {
		fmt.Printf("%s, message %s, attempt %d\n", m.text, workerfx.CtxExecutionID(ctx), workerfx.CtxAttempt(ctx))
		return nil
	}

	consume := func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case m, ok := <-messages:
				if !ok {
					return nil
				}
				err := handle(workerfx.JobContext(ctx, m.id, m.attempt), m)
				workerfx.CountJob(ctx, err)
			}
		}
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("consumer", consume))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "consumer", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())

	e, _ := pool.Execution("consumer")
	fmt.Println(e.Jobs, "jobs")
	// Output:
	// hello, message 4711, attempt 1
	// world, message 4712, attempt 3
	// 2 jobs
}

func ExampleBatch() {
	rows := make(chan int, 5)
	for row := range 5 {
		rows <- row
	}
	close(rows)

	insert := func(_ context.Context, batch []int) error {
		fmt.Println(batch)
		return nil
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("inserter", workerfx.Batch(rows, 2, time.Minute, insert)))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "inserter", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())
	// Output:
	// [0 1]
	// [2 3]
	// [4]
}

func ExamplePool_Scale() {
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(
		workerfx.NewWorker("hasher", untilStopped),
		workerfx.WithReplicas(2),
		workerfx.WithReplicaLimits(1, 4),
	)
	_ = pool.Start(context.Background())

	fmt.Println(len(pool.Executions()))
	fmt.Println(pool.Scale("hasher", 4))
	fmt.Println(len(pool.Executions()))
	fmt.Println(pool.More("hasher"))

	_ = pool.Stop(context.Background())
	// Output:
	// 2
	// <nil>
	// 4
	// worker "hasher": more: replicas 5: above the worker's largest number of replicas (4)
}

func ExampleAutoscaler() {
	var queued atomic.Int64 // stands for the length of a queue
	queued.Store(25)

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("hasher", untilStopped), workerfx.WithReplicaLimits(1, 4))
	_ = pool.Add(&workerfx.Autoscaler{
		Worker:     "hasher",
		Demand:     func(context.Context) (float64, error) { return float64(queued.Load()), nil },
		PerReplica: 10,
		Every:      time.Millisecond,
		CoolDown:   time.Millisecond,
	})
	_ = pool.Start(context.Background())
	awaitReplicas(pool, "hasher", 3)
	fmt.Println("25 queued: 3 replicas")

	queued.Store(0)
	awaitReplicas(pool, "hasher", 1)
	fmt.Println("none queued: 1 replica")

	_ = pool.Stop(context.Background())
	// Output:
	// 25 queued: 3 replicas
	// none queued: 1 replica
}

// awaitReplicas waits until a worker has that many replicas.
func awaitReplicas(pool *workerfx.Pool, worker string, n int) {
	for count := -1; count != n; time.Sleep(time.Millisecond) {
		count = 0
		for _, e := range pool.Executions() {
			if e.Worker == worker {
				count++
			}
		}
	}
}

// A paused worker ends the run it is at and begins no other.
func ExamplePool_Pause() {
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("jobs", workerfx.Loop(func(context.Context) error { return nil })))
	_ = pool.Start(context.Background())

	_ = pool.Pause("jobs")
	awaitStatus(pool, "jobs", workerfx.StatusPaused)
	fmt.Println("paused")

	_ = pool.Resume("jobs")
	awaitStatus(pool, "jobs", workerfx.StatusRunning)
	fmt.Println("running")

	_ = pool.Stop(context.Background())
	// Output:
	// paused
	// running
}

// A worker that waits for its next tick can be run now.
func ExamplePool_Trigger() {
	ran := make(chan string)
	report := func(context.Context) error {
		ran <- "reported"
		return nil
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("report", report), workerfx.WithCron("@yearly"))
	_ = pool.Start(context.Background())
	awaitStatus(pool, "report", workerfx.StatusWaiting)

	fmt.Println(pool.Trigger("report"))
	fmt.Println(<-ran)

	_ = pool.Stop(context.Background())
	// Output:
	// <nil>
	// reported
}

// A worker keeps one child for each tenant. They end with the run that started them.
func ExampleAddChild() {
	tenants := make(chan []string)
	listed := make(chan []string)
	follow := func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case wanted := <-tenants:
				for _, tenant := range workerfx.Children(ctx) {
					if !slices.Contains(wanted, tenant) {
						_ = workerfx.RemoveChild(ctx, tenant) // waits until it has stopped
					}
				}
				for _, tenant := range wanted {
					if !slices.Contains(workerfx.Children(ctx), tenant) {
						_ = workerfx.AddChild(ctx, workerfx.NewWorker(tenant, untilStopped))
					}
				}
				listed <- workerfx.Children(ctx)
			}
		}
	}

	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(workerfx.NewWorker("tenants", follow))
	_ = pool.Start(context.Background())
	for _, wanted := range [][]string{{"acme"}, {"acme", "globex"}, {"globex"}} {
		tenants <- wanted
		fmt.Println(<-listed)
	}
	for _, e := range pool.Executions() {
		fmt.Println(e.Worker)
	}
	_ = pool.Stop(context.Background())
	// Output:
	// [acme]
	// [acme globex]
	// [globex]
	// tenants
	// tenants/globex
}

// The same middleware goes around a worker's runs, or around each job within a run.
func ExampleWithMiddleware_counter() {
	left := 3
	work := func(context.Context) error {
		if left--; left == 0 {
			return workerfx.ErrDoNotRestart // there is no other job
		}
		return nil
	}

	var runs, jobs middleware.Counter
	pool, _ := workerfx.NewPool(workerfx.WithLogger(zerolog.Nop()))
	_ = pool.Add(
		workerfx.NewWorker("jobs", workerfx.Loop(jobs.Middleware()(work))),
		workerfx.WithMiddleware(runs.Middleware(), middleware.Timeout(time.Minute)),
	)
	_ = pool.Start(context.Background())
	awaitStatus(pool, "jobs", workerfx.StatusSuccess)
	_ = pool.Stop(context.Background())
	fmt.Println(runs.Succeeded(), "run,", jobs.Succeeded(), "jobs")
	// Output: 1 run, 3 jobs
}

// The first worker that is done stops the others.
func ExampleRunAll() {
	ctx := zerolog.New(io.Discard).WithContext(context.Background()) // the pool logs here

	err := workerfx.RunAll(ctx,
		workerfx.NewWorker("server", untilStopped),
		workerfx.NewWorker("feed", func(context.Context) error { return errors.New("connection lost") }),
	)

	fmt.Println(errors.Is(err, workerfx.ErrExitedPrematurely))
	fmt.Println(err)
	// Output:
	// true
	// worker "feed": essential worker exited prematurely
	// connection lost
}

// All jobs run to their end, side by side, and no error gets lost.
func ExampleRunAllJobs() {
	var mu sync.Mutex
	var migrated []string
	migrate := func(table string) workerfx.RunFunc {
		return func(context.Context) error {
			if table == "orders" {
				return errors.New("orders: no such table")
			}
			mu.Lock()
			defer mu.Unlock()
			migrated = append(migrated, table)
			return nil
		}
	}

	err := workerfx.RunAllJobs(context.Background(), migrate("users"), migrate("orders"), migrate("items"))

	slices.Sort(migrated)
	fmt.Println(migrated)
	fmt.Println(err)
	// Output:
	// [items users]
	// orders: no such table
}
