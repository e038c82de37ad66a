package queue_test

import (
	"database/sql"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/queue"
)

// killJobs is how many jobs are worked while processes are killed. With this flag the tests take a minute each:
//
//	go test -v -timeout 10m -run 'Killed|Frozen' ./queue -queue.kill=10000
var killJobs = flag.Int("queue.kill", 0, "how many jobs are worked while processes are killed, one a second; 0 is a quick test")

// killPlan returns how many jobs are worked, and how often a process is killed.
func (db testDB) killPlan() (jobs int, every time.Duration) {
	const often = 600 * time.Millisecond // with a shorter time, no process lives long enough to end a job
	switch {
	case *killJobs > 0:
		return *killJobs, time.Second
	case db.isSQLite():
		return 60, often // under the race detector it is slow
	default:
		return 300, often
	}
}

const processCount = 3

// requireSoon checks how soon the jobs of a dead process began again. The quick test does not: it runs beside other tests,
// and on slow machines.
func requireSoon(t *testing.T, slowest time.Duration) {
	t.Helper()
	if *killJobs > 0 {
		require.LessOrEqual(t, slowest, 2*time.Second)
	}
}

func TestKilledProcessesLoseNoJobAndDoubleNoTransaction(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		jobs, every := db.killPlan()
		w, p := newWitness(t, db), newProcesses(t, db)
		w.enqueue(jobs)
		running := p.startAll(processCount)
		begun, kills, lost := time.Now(), 0, make(map[attempted]time.Time)
		for ; w.goesOn(every); kills++ {
			victim := &running[kills%processCount]
			receive(t, (*victim).started)
			at := (*victim).kill()
			for _, a := range w.runningOn(*victim) {
				lost[a] = at
			}
			*victim = p.start()
		}
		t.Logf("%d jobs, %d kills, done in %v", jobs, kills, time.Since(begun).Round(time.Millisecond))
		require.NotZero(t, kills)
		w.requireProof()
		maps.DeleteFunc(lost, func(a attempted, _ time.Time) bool { return w.completedBy(a) })
		slowest := p.slowestRerun(lost)
		if !db.isSQLite() { // its one writer may keep others waiting
			requireSoon(t, slowest)
		}
	})
}

func TestFrozenProcessesCompleteNothingThatWasTakenOver(t *testing.T) {
	onPostgres(t, func(t *testing.T, db testDB) { // SQLite waits for frozen processes
		jobs, every := db.killPlan()
		w, p := newWitness(t, db), newProcesses(t, db)
		running := p.startAll(processCount)
		for _, process := range running {
			receive(t, process.started) // otherwise the others may work all jobs before the first frozen process starts
		}
		w.enqueue(jobs)
		begun, freezes, taken := time.Now(), 0, 0
		for ; freezes == 0 || w.goesOn(every); freezes++ {
			frozen := running[freezes%processCount]
			eventually(t, "it has jobs", func() bool { return len(w.runningOn(frozen)) > 0 || w.allCompletedWithin(0) })
			require.NoError(t, frozen.Process.Signal(syscall.SIGSTOP))
			time.Sleep(50 * time.Millisecond) // the database finishes its last statement
			had := w.runningOn(frozen)
			eventually(t, "most of its jobs run elsewhere", func() bool { // a row that its transaction has locked is not taken over
				return 2*p.begunAgain(had) >= len(had)
			})
			taken += p.begunAgain(had)
			require.NoError(t, frozen.Process.Signal(syscall.SIGCONT)) // both attempts run now
		}
		t.Logf("%d jobs, %d freezes, %d jobs taken over, done in %v", jobs, freezes, taken, time.Since(begun).Round(time.Millisecond))
		require.NotZero(t, taken)
		w.requireProof()
	})
}

func TestJobsOfKilledProcessesRunAgainAtTheNextStart(t *testing.T) {
	onBoth(t, func(t *testing.T, db testDB) {
		const jobs = 2 * queue.DefaultSlots
		w, p := newWitness(t, db), newProcesses(t, db)
		w.enqueueAll(slices.Repeat([]queue.Entry{queue.NewEntry(plain{errand{First: time.Hour}})}, jobs))
		running := p.startAll(2)
		eventually(t, "all run", func() bool { return w.count(`SELECT count(*) FROM river_job WHERE state = 'running'`) == jobs })
		lost := append(w.runningOn(running[0]), w.runningOn(running[1])...)
		require.Len(t, lost, jobs)
		running[0].kill()
		running[1].kill()
		next := p.start()
		started := receive(t, next.started)
		require.True(t, w.allCompletedWithin(waitLimit))
		since := make(map[attempted]time.Time)
		for _, a := range lost {
			since[a] = started
		}
		w.requireProof()
		requireSoon(t, p.slowestRerun(since))
	})
}

// witness makes the database count how often each job was completed. For each completion, it counts the effects of
// that attempt so far.
type witness struct {
	t      testing.TB
	db     testDB
	raw    *sql.DB
	client *queue.Client
	jobs   int
}

func newWitness(t testing.TB, db testDB) *witness {
	t.Helper()
	w := &witness{t: t, db: db, client: startApp(t, db).client, raw: db.open(t)}
	statements := []string{
		`CREATE TABLE effects (job bigint, attempt int)`,
		`CREATE INDEX effects_job ON effects (job)`,
		`CREATE TABLE completions (job bigint, attempt int, effects int)`,
	}
	const take = `INSERT INTO completions SELECT NEW.id, NEW.attempt, count(*) FROM effects WHERE job = NEW.id AND attempt = NEW.attempt;`
	if db.isSQLite() {
		statements = append(statements, `CREATE TRIGGER witness AFTER UPDATE ON river_job WHEN NEW.state = 'completed'
			AND (OLD.state <> 'completed' OR OLD.finalized_at IS NOT NEW.finalized_at) BEGIN `+take+` END`)
	} else {
		statements = append(statements,
			`CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+take+` RETURN NULL; END $$`,
			`CREATE TRIGGER witness AFTER UPDATE ON river_job FOR EACH ROW WHEN (NEW.state = 'completed'
			AND (OLD.state <> 'completed' OR OLD.finalized_at IS DISTINCT FROM NEW.finalized_at)) EXECUTE FUNCTION witness()`)
	}
	for _, s := range statements {
		_, err := w.raw.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	return w
}

// enqueue adds n errands, half of each kind. They keep the processes busy for a second or more. Later attempts take
// longer, so that two attempts of one job overlap. SQLite has one transaction at a time, so they are short there.
func (w *witness) enqueue(n int) {
	w.t.Helper()
	longest := max(2*time.Minute/time.Duration(n), 120*time.Millisecond)
	entries := make([]queue.Entry, n)
	for i := range entries {
		e := errand{First: rand.N(longest), Again: 300 * time.Millisecond}
		switch {
		case i%2 == 0:
			entries[i] = queue.NewEntry(plain{e})
		case w.db.isSQLite():
			entries[i] = queue.NewEntry(exact{errand{Again: 5 * time.Millisecond}})
		default:
			entries[i] = queue.NewEntry(exact{e})
		}
	}
	w.enqueueAll(entries)
}

func (w *witness) enqueueAll(entries []queue.Entry) {
	w.t.Helper()
	for some := range slices.Chunk(entries, 1000) {
		added, err := w.client.EnqueueBatch(w.t.Context(), some...)
		require.NoError(w.t, err)
		w.jobs += len(added)
	}
}

func (w *witness) count(query string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.raw.QueryRowContext(w.t.Context(), query).Scan(&n))
	return n
}

// goesOn waits for d, and then until some more jobs are completed, however slow the machine is. It tells whether there are
// jobs left.
func (w *witness) goesOn(d time.Duration) bool {
	w.t.Helper()
	before := w.completed()
	if w.allCompletedWithin(d) {
		return false
	}
	enough := min(before+max(w.jobs/20, 1), w.jobs)
	eventually(w.t, "some more jobs are completed", func() bool { return w.completed() >= enough })
	return w.completed() < w.jobs
}

// completed returns how many jobs are completed.
func (w *witness) completed() int {
	w.t.Helper()
	return w.count(`SELECT count(*) FROM river_job WHERE state = 'completed'`)
}

// allCompletedWithin waits until all jobs are completed, for d at most, and tells whether they are.
func (w *witness) allCompletedWithin(d time.Duration) bool {
	w.t.Helper()
	for deadline := time.Now().Add(d); ; time.Sleep(20 * time.Millisecond) {
		if w.completed() == w.jobs {
			return true
		}
		if !time.Now().Before(deadline) {
			return false
		}
	}
}

// runningOn returns the attempts that run in a process, as the database has them.
func (w *witness) runningOn(p *workerProcess) (all []attempted) {
	w.t.Helper()
	owner := `attempted_by[cardinality(attempted_by)]`
	if w.db.isSQLite() {
		owner = `json_extract(attempted_by, '$[#-1]')`
	}
	rows, err := w.raw.QueryContext(w.t.Context(), fmt.Sprintf(`SELECT id, attempt FROM river_job
		WHERE state = 'running' AND %s LIKE 'workerfx:%%:%d:%%'`, owner, p.Process.Pid))
	require.NoError(w.t, err)
	defer rows.Close()
	for rows.Next() {
		var a attempted
		require.NoError(w.t, rows.Scan(&a.job, &a.attempt))
		all = append(all, a)
	}
	require.NoError(w.t, rows.Err())
	return all
}

// completedBy tells whether this attempt ended its job. The last write of a process may arrive after its death.
func (w *witness) completedBy(a attempted) bool {
	w.t.Helper()
	return w.count(fmt.Sprintf(`SELECT count(*) FROM completions WHERE job = %d AND attempt = %d`, a.job, a.attempt)) > 0
}

// requireProof checks the promises about jobs. All jobs must be completed.
func (w *witness) requireProof() {
	w.t.Helper()
	require.Equal(w.t, w.jobs, w.count(`SELECT count(*) FROM river_job`), "none is lost")
	require.Equal(w.t, w.jobs, w.completed(), "none is left running")
	require.Equal(w.t, w.jobs, w.count(`SELECT count(*) FROM completions`), "none was completed twice")
	require.Equal(w.t, w.jobs, w.count(`SELECT count(DISTINCT job) FROM completions`), "none was completed twice")
	require.Equal(w.t, w.jobs, w.count(`SELECT count(*) FROM completions WHERE effects = 1`),
		"none was completed but by the attempt that did it")
	const effects = ` FROM effects JOIN river_job ON job = id WHERE kind = `
	for _, kind := range []string{"plain", "exact"} {
		jobs := w.count(`SELECT count(*) FROM river_job WHERE kind = '` + kind + `'`)
		rows := w.count(`SELECT count(*)` + effects + `'` + kind + `'`)
		w.t.Logf("%s: %d jobs, %d effects", kind, jobs, rows)
		require.Equal(w.t, jobs, w.count(`SELECT count(DISTINCT job)`+effects+`'`+kind+`'`), "each had its effect")
		if kind == "exact" {
			require.Equal(w.t, jobs, rows, "none had its effect twice")
		}
	}
}
