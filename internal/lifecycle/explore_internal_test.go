package lifecycle

import (
	"bufio"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// depth is how many inputs in a row the exploration tries.
const depth = 7

// policies are the kinds of workers that are explored.
var policies = map[string]Policy{
	"one attempt":      {MaxAttempts: 1},
	"three attempts":   {MaxAttempts: 3},
	"endless":          {HealthyAfter: time.Minute},
	"deferred":         {MaxAttempts: 1, DeferredStart: 3 * time.Second},
	"says ready":       {CallsReady: true},
	"scheduled":        {MaxAttempts: 1, Scheduled: true},
	"starts at once":   {MaxAttempts: 2, Scheduled: true, StartImmediately: true},
	"deferred ticks":   {MaxAttempts: 1, Scheduled: true, DeferredStart: 3 * time.Second, FollowsWallClock: true},
	"failure limit":    {FailureLimit: FailureLimit{Threshold: 1, Decay: time.Hour, Pause: 5 * time.Second}},
	"comes after":      {MaxAttempts: 2, ComesAfter: true},
	"makes up":         {MaxAttempts: 2, Scheduled: true, MakesUp: true, FollowsWallClock: true},
	"ticks come after": {MaxAttempts: 1, Scheduled: true, ComesAfter: true},
}

// world is a machine, the time, and what the checks have to remember.
type world struct {
	machine Machine
	now     time.Time
	asking  bool            // the goroutine asks the backoff or the schedule
	shown   Status          // the status that others saw last
	arrows  map[string]bool // from one status to the next
}

// show notes the status that others see now.
func (w *world) show() {
	if after := w.machine.status; after != w.shown {
		w.arrows[statusName(w.shown)+" -> "+statusName(after)] = true
		w.shown = after
	}
}

// input is a command, a fact or the passing of time. It is not ok if it does not make sense now.
type input struct {
	name string
	do   func(w *world) (ok bool, err error)
}

// explorer walks every sequence of inputs.
type explorer struct {
	policy    Policy
	inputs    []input
	sequences map[visit]*big.Int // from a state, for as many inputs as are left
	states    map[fingerprint]bool
	failed    func(path []string, err error)
}

type visit struct {
	state fingerprint
	left  int
}

// fingerprint is all of a machine that decides what it does, with times relative to now.
type fingerprint struct {
	asking                               bool
	machine                              Machine
	due, origin, last, upcoming, counted time.Duration
	score                                float64
	scoreAge, scoreUntil                 time.Duration
	hasTicks, makesUp                    bool
}

func (w *world) fingerprint() fingerprint {
	m := w.machine
	since := func(t time.Time) time.Duration {
		if t.IsZero() {
			return -1 << 62
		}
		return max(t.Sub(w.now), -10*time.Second) // what is long past is past
	}
	f := fingerprint{asking: w.asking, due: since(m.due)}
	if m.ticks != nil {
		f.hasTicks, f.makesUp = true, m.ticks.makesUp
		f.origin, f.last, f.upcoming, f.counted = since(m.ticks.origin), since(m.ticks.last), since(m.ticks.upcoming), since(m.ticks.counted)
	}
	if m.score != nil {
		f.score = min(float64(int(m.score.count)), 3)
		f.scoreUntil = since(m.score.until)
		f.scoreAge = min(time.Duration(w.now.UnixNano()-m.score.at), 10*time.Second)
	}
	counted := Counts{Runs: min(m.Runs, 1), Successes: min(m.Successes, 1)} // whether there was one decides, not how many
	m.Counts, m.ticks, m.due, m.score = counted, nil, time.Time{}, nil
	m.failures = min(m.failures, 4)
	f.machine = m
	return f
}

// copy returns a world that changes on its own.
func (w *world) copy() *world {
	c := *w
	if w.machine.ticks != nil {
		ticks := *w.machine.ticks
		c.machine.ticks = &ticks
	}
	if w.machine.score != nil {
		score := *w.machine.score
		c.machine.score = &score
	}
	return &c
}

// walk counts the sequences of inputs from w on.
func (x *explorer) walk(w *world, left int, path []string) *big.Int {
	state := w.fingerprint()
	x.states[state] = true
	if left == 0 {
		return big.NewInt(1)
	}
	key := visit{state, left}
	if n := x.sequences[key]; n != nil {
		return n
	}
	total := new(big.Int)
	for _, in := range x.inputs {
		next := w.copy()
		ok, err := in.do(next)
		if !ok {
			continue
		}
		steps := append(slices.Clip(path), in.name)
		if err == nil {
			err = next.check()
		}
		if err != nil {
			x.failed(steps, err)
			continue
		}
		next.show()
		total.Add(total, x.walk(next, left-1, steps))
	}
	x.sequences[key] = total
	return total
}

func statusName(s Status) string {
	return [...]string{"pending", "deferred", "running", "waiting", "paused", "success", "error", "stopped"}[s]
}

// commands are the inputs that may come at any time.
func commands() (inputs []input) {
	command := func(name string, do func(m *Machine)) {
		inputs = append(inputs, input{name, func(w *world) (bool, error) { do(&w.machine); return true, nil }})
	}
	command("stop", (*Machine).Stop)
	command("pause", (*Machine).Pause)
	command("resume", (*Machine).Resume)
	command("scale down", (*Machine).ScaleDown)
	command("scale up", func(m *Machine) { m.ScaleUp() })
	command("restart", (*Machine).Restart)
	command("revive", func(m *Machine) { m.Revive() })
	command("trigger", func(m *Machine) { m.Trigger() })
	inputs = append(inputs, input{"reschedule", func(w *world) (bool, error) {
		return w.machine.Reschedule(w.machine.policy, w.now), nil
	}})
	command("hold", (*Machine).Hold)
	command("release", func(m *Machine) { m.Release(false) })
	command("release, its failure stands", func(m *Machine) { m.Release(true) })
	command("stop group", (*Machine).StopGroup)
	return inputs
}

// looks are the inputs of a replica that looks what to do, with all that others may do meanwhile.
func looks(p Policy) (inputs []input) {
	for _, ready := range []bool{true, false} {
		for group, until := range map[string]time.Duration{"": 0, ", its group runs": time.Second, ", its group does not stop": -time.Second} {
			if !ready && !p.ComesAfter {
				continue
			}
			inputs = append(inputs, input{fmt.Sprintf("look, ready: %v%s", ready, group), func(w *world) (bool, error) {
				f := Facts{PredecessorsReady: ready}
				if until != 0 {
					if w.machine.plan != planRetry { // only a replica that failed waits for its group to stop
						return false, nil
					}
					f.GroupRuns, f.GroupStopsIn = true, until
				}
				return w.look(f)
			}})
		}
	}
	return inputs
}

// look asks the machine as the replica's goroutine does, and begins a run if it says so.
func (w *world) look(f Facts) (ok bool, err error) {
	m := &w.machine
	if m.running || m.exited {
		return false, nil
	}
	forbidden, entering := w.forbidden(), m.awaitsPredecessors
	step := m.Next(w.now, f)
	if step.Do == Undecided { // a new life, with facts of its own
		entering, f.GroupRuns, forbidden = m.awaitsPredecessors, false, w.forbidden()
		step = m.Next(w.now, f)
	}
	w.asking = step.Do == Ask // a hook that ends the goroutine leaves its question open
	w.show()
	if err := w.checkStep(step, f); err != nil {
		return true, err
	}
	if step.Do != Run {
		return true, nil
	}
	switch {
	case forbidden && !step.StopGroup:
		return true, fmt.Errorf("a run, although it is forbidden")
	case entering && !f.PredecessorsReady:
		return true, fmt.Errorf("a run before the predecessors are ready")
	case f.GroupRuns && !step.StopGroup:
		return true, fmt.Errorf("a run beside members of the group that have to stop")
	}
	runs := m.Runs
	if start := m.Began(); m.Runs != runs+1 || start.Attempt < 1 || !m.running {
		return true, fmt.Errorf("a run did not begin: %+v", start)
	}
	return true, nil
}

// forbidden tells whether no run may begin, whatever else is asked for.
func (w *world) forbidden() bool {
	m := &w.machine
	return m.stopping || m.scaledDown || (m.paused || m.held || m.groupStopped || m.plan == planNone) && !m.restart
}

// checkStep checks that action and status agree.
func (w *world) checkStep(step Step, f Facts) error {
	shown := map[Action][]Status{
		Run:   {Pending, Deferred, Waiting},
		Ask:   {Pending, Deferred, Waiting},
		Sleep: {Deferred, Waiting},
		Wait:  {Pending, Waiting, Paused},
		Exit:  {Paused, Success, Error, Stopped},
	}
	switch {
	case !slices.Contains(shown[step.Do], step.Status):
		return fmt.Errorf("action %d with status %v", step.Do, statusName(step.Status))
	case step.Do == Sleep && step.For <= 0:
		return fmt.Errorf("a sleep for %v", step.For)
	case step.Do == Exit && !w.machine.exited:
		return fmt.Errorf("an exit that the machine does not know of")
	case step.Status == Pending && step.Do == Wait && f.PredecessorsReady:
		return fmt.Errorf("a wait for workers that are ready")
	}
	return nil
}

// answers are the inputs of the user's backoff and schedule.
func answers() (inputs []input) {
	answer := func(name string, backoff bool, do func(m *Machine, q Question, now time.Time)) {
		inputs = append(inputs, input{name, func(w *world) (bool, error) {
			m := &w.machine
			if !w.asking || !m.IsAsking() {
				return false, nil
			}
			var q Question
			m.Question(w.now, &q)
			if backoff != (q.Failures > 0) {
				return false, nil
			}
			if !backoff && !m.policy.Scheduled {
				return true, fmt.Errorf("the schedule was asked for a worker without one")
			}
			w.asking = false
			do(m, q, w.now)
			return true, nil
		}})
	}
	answer("backoff of 2s", true, func(m *Machine, _ Question, now time.Time) { m.AnswerBackoff(now, 2*time.Second) })
	answer("backoff of 0", true, func(m *Machine, _ Question, now time.Time) { m.AnswerBackoff(now, 0) })
	answer("next tick", false, func(m *Machine, q Question, _ time.Time) {
		at := q.From.Add(4 * time.Second)
		m.AnswerTick(&q, &Tick{At: at, Due: at})
	})
	answer("next tick, and a run that makes up", false, func(m *Machine, q Question, _ time.Time) {
		at := q.From.Add(4 * time.Second)
		m.AnswerTick(&q, &Tick{At: at, Due: at, Missed: 1, MakeUp: !q.MakeUpSince.IsZero()})
	})
	answer("no tick", false, func(m *Machine, _ Question, _ time.Time) { m.AnswerNone(0, false) })
	answer("broken schedule", false, func(m *Machine, _ Question, _ time.Time) { m.AnswerNone(0, true) })
	return inputs
}

// endings are the ends of a run.
func endings() (inputs []input) {
	for o := Succeeded; o <= Failed; o++ {
		for _, asked := range []bool{false, true} {
			inputs = append(inputs, input{fmt.Sprintf("outcome %d, asked: %v", o, asked), func(w *world) (bool, error) {
				if !w.machine.running || o == Skipped && !w.machine.policy.Scheduled {
					return false, nil
				}
				return true, w.end(End{Outcome: o, Asked: asked, Ran: time.Second})
			}})
		}
	}
	inputs = append(inputs, input{"stuck, with an error", func(w *world) (bool, error) {
		return w.machine.running, w.end(End{Outcome: Stuck, OwnError: true})
	}})
	return inputs
}

// end ends the run, and checks the verdict and the counters.
func (w *world) end(e End) error {
	m := &w.machine
	if !m.running {
		return nil
	}
	before, stopping := m.Counts, m.stopping
	v := m.Ended(e, w.now)
	w.asking = m.IsAsking()
	good, bad := m.Successes-before.Successes, m.Failures-before.Failures
	switch {
	case m.running:
		return fmt.Errorf("a run that goes on after its end")
	case stopping && !m.status.Done():
		return fmt.Errorf("a replica that is to stop goes on: %+v", v)
	case good+bad > 1, v.IsFailure() != (bad == 1), m.Runs != before.Runs:
		return fmt.Errorf("counted wrong: %+v after %+v", m.Counts, before)
	case v.IsFinal() && m.plan != planNone, v.Retry && v.Tick:
		return fmt.Errorf("done, and not: %+v", v)
	case v.Retry && m.policy.MaxAttempts > 1 && int(m.failures) >= m.policy.MaxAttempts:
		return fmt.Errorf("attempt %d of %d", m.failures+1, m.policy.MaxAttempts)
	}
	return nil
}

// pass lets the time pass until the next run is due.
func pass() input {
	return input{"time", func(w *world) (bool, error) {
		due := w.machine.due
		if !due.After(w.now) {
			return false, nil
		}
		w.now = due
		return true, nil
	}}
}

// check follows a copy of the machine, with nothing in its way any more. It must come to a run or to its end soon; and a
// machine that is to stop must come to its end.
func (w *world) check() error {
	stopped := w.copy()
	stopped.machine.Stop()
	if err := stopped.follow(func(m *Machine) bool { return m.exited }); err != nil {
		return fmt.Errorf("asked to stop: %w", err)
	}
	free := w.copy()
	m := &free.machine
	if m.running {
		return nil
	}
	m.Resume()
	m.Release(false)
	m.ScaleUp()
	return free.follow(func(m *Machine) bool { return m.running || m.exited })
}

// follow lets the replica do what the machine says, until it is where it should be.
func (w *world) follow(there func(m *Machine) bool) error {
	m := &w.machine
	if m.running {
		_ = m.Ended(End{Outcome: Obeyed, Asked: true}, w.now)
	}
	for range 10 {
		if there(m) {
			return nil
		}
		switch step := m.Next(w.now, Facts{PredecessorsReady: true}); step.Do {
		case Run:
			m.Began()
		case Ask:
			var q Question
			m.Question(w.now, &q)
			m.AnswerBackoff(w.now, time.Second)
			if m.IsAsking() {
				m.AnswerTick(&q, &Tick{At: q.From.Add(time.Second), Due: q.From.Add(time.Second)})
			}
		case Sleep:
			w.now = w.now.Add(step.For)
		}
	}
	if there(m) {
		return nil
	}
	return fmt.Errorf("it comes to nothing: %+v", *m)
}

func TestEverySequenceOfInputsKeepsThePromises(t *testing.T) {
	seen := make(map[string]bool)
	states, sequences := 0, new(big.Int)
	for name, policy := range policies {
		x := &explorer{
			policy: policy, inputs: slices.Concat(commands(), looks(policy), answers(), endings(), []input{pass()}),
			sequences: make(map[visit]*big.Int), states: make(map[fingerprint]bool),
			failed: func(path []string, err error) { t.Errorf("%s: %s: %v", name, strings.Join(path, ", "), err) },
		}
		w := &world{machine: New(&policy), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), arrows: seen}
		n := x.walk(w, depth, nil)
		t.Logf("%-18s %7d states, %v sequences of %d inputs", name, len(x.states), n, depth)
		states += len(x.states)
		sequences.Add(sequences, n)
		if t.Failed() {
			return
		}
	}
	t.Logf("%-18s %7d states, %v sequences of %d inputs", "all", states, sequences, depth)
	if want := documentedArrows(t); !mapsEqual(seen, want) {
		t.Errorf("arrows that were seen and are not in doc.go: %v\narrows in doc.go that were not seen: %v", minus(seen, want), minus(want, seen))
	}
}

// documentedArrows reads the arrows of the root package's documentation: lines such as "waiting -> running, paused".
func documentedArrows(t *testing.T) map[string]bool {
	t.Helper()
	file, err := os.Open("../../doc.go")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	arrows := make(map[string]bool)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		from, to, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "//"), " -> ")
		if !ok {
			continue
		}
		for status := range strings.SplitSeq(to, ",") {
			arrows[strings.TrimSpace(from)+" -> "+strings.TrimSpace(status)] = true
		}
	}
	return arrows
}

func mapsEqual(a, b map[string]bool) bool { return len(minus(a, b)) == 0 && len(minus(b, a)) == 0 }

func minus(a, b map[string]bool) (rest []string) {
	for key := range a {
		if !b[key] {
			rest = append(rest, key)
		}
	}
	slices.Sort(rest)
	return rest
}
