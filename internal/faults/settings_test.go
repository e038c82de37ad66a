package faults_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
	"github.com/workerfx/workerfx/middleware"
)

const (
	longest = time.Duration(math.MaxInt64)
	least   = time.Duration(math.MinInt64)
)

// refused are settings that are an error of Add, with the field and the value that it must name.
var refused = map[string]struct {
	options      []workerfx.Option
	field, value string
}{
	"negative deferred start":     {with(workerfx.WithDeferredStart(-1)), "deferred start", "-1ns"},
	"least deferred start":        {with(workerfx.WithDeferredStart(least)), "deferred start", least.String()},
	"negative attempts":           {with(workerfx.WithMaxAttempts(-1)), "max attempts", "-1"},
	"least attempts":              {with(workerfx.WithMaxAttempts(math.MinInt)), "max attempts", fmt.Sprint(math.MinInt)},
	"negative healthy":            {with(workerfx.WithHealthyAfter(-time.Second)), "healthy after", "-1s"},
	"negative stop timeout":       {with(workerfx.WithStopTimeout(-time.Second)), "stop timeout", "-1s"},
	"negative run timeout":        {with(workerfx.WithRunTimeout(-time.Second)), "run timeout", "-1s"},
	"negative heartbeat":          {with(workerfx.WithHeartbeat(-1)), "heartbeat", "-1ns"},
	"least heartbeat":             {with(workerfx.WithHeartbeat(least)), "heartbeat", least.String()},
	"negative heartbeat policy":   {with(workerfx.WithHeartbeat(1, -1)), "heartbeat policy", "-1"},
	"no such heartbeat policy":    {with(workerfx.WithHeartbeat(1, math.MaxInt)), "heartbeat policy", fmt.Sprint(math.MaxInt)},
	"negative strategy":           {with(workerfx.WithStrategy(-1)), "strategy", "-1"},
	"no such strategy":            {with(workerfx.WithStrategy(math.MaxInt)), "strategy", fmt.Sprint(math.MaxInt)},
	"negative events":             {with(workerfx.WithEvents(-1)), "events", "-1"},
	"negative replicas":           {with(workerfx.WithReplicas(-1)), "replicas", "-1"},
	"most replicas":               {with(workerfx.WithReplicas(math.MaxInt)), "replicas", fmt.Sprint(math.MaxInt)},
	"negative min":                {with(workerfx.WithReplicaLimits(-1, 0)), "min replicas", "-1"},
	"negative max":                {with(workerfx.WithReplicaLimits(0, -1)), "max replicas", "-1"},
	"min above max":               {with(workerfx.WithReplicaLimits(3, 2)), "min replicas", "3"},
	"min above replicas":          {with(workerfx.WithReplicaLimits(2, 2)), "replicas", "1"},
	"zero interval":               {with(workerfx.WithInterval(0)), "interval", "0s"},
	"negative interval":           {with(workerfx.WithInterval(-1)), "interval", "-1ns"},
	"empty cron":                  {with(workerfx.WithCron("")), "cron", `""`},
	"cron out of range":           {with(workerfx.WithCron("61 * * * *")), "cron", `"61 * * * *"`},
	"cron that never comes":       {with(workerfx.WithCron("0 0 30 2 *")), "cron", `"0 0 30 2 *"`},
	"cron every nothing":          {with(workerfx.WithCron("@every 0s")), "cron", `"@every 0s"`},
	"cron every less":             {with(workerfx.WithCron("@every -5s")), "cron", `"@every -5s"`},
	"cron in no zone":             {with(workerfx.WithCron("CRON_TZ=No/Where * * * * *")), "cron", "No/Where"},
	"cron with NUL":               {with(workerfx.WithCron("* * * *\x00*")), "cron", `\x00`},
	"nil schedule":                {with(workerfx.WithSchedule(nil)), "schedule", "nil"},
	"typed nil schedule":          {with(workerfx.WithSchedule((*brokenSchedule)(nil))), "schedule", "nil"},
	"negative jitter":             {scheduled(workerfx.WithJitter(-0.1)), "jitter", "-0.1"},
	"jitter above 1":              {scheduled(workerfx.WithJitter(1.1)), "jitter", "1.1"},
	"NaN jitter":                  {scheduled(workerfx.WithJitter(math.NaN())), "jitter", "NaN"},
	"infinite jitter":             {scheduled(workerfx.WithJitter(math.Inf(1))), "jitter", "Inf"},
	"jitter without schedule":     {with(workerfx.WithJitter(0.5)), "jitter", "schedule"},
	"nil backoff":                 {with(workerfx.WithBackoff(nil)), "backoff", "nil"},
	"negative backoff":            {with(workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: -1})), "backoff", "-1ns"},
	"negative initial":            {exponential(backoff{Initial: -1}), "backoff", "-1ns"},
	"negative backoff max":        {exponential(backoff{Max: -1}), "backoff", "-1ns"},
	"initial above max":           {exponential(backoff{Initial: 2, Max: 1}), "backoff", "2ns"},
	"shrinking backoff":           {exponential(backoff{Multiplier: 0.5}), "backoff", "0.5"},
	"negative multiplier":         {exponential(backoff{Multiplier: -2}), "backoff", "-2"},
	"NaN multiplier":              {exponential(backoff{Multiplier: math.NaN()}), "backoff", "NaN"},
	"infinite multiplier":         {exponential(backoff{Multiplier: math.Inf(1)}), "backoff", "Inf"},
	"NaN backoff jitter":          {exponential(backoff{Jitter: math.NaN()}), "backoff", "NaN"},
	"backoff jitter above 1":      {exponential(backoff{Jitter: 1.5}), "backoff", "1.5"},
	"negative backoff jitter":     {exponential(backoff{Jitter: -0.5}), "backoff", "-0.5"},
	"negative failure threshold":  {limited(limit{Threshold: -1, Decay: 1, Pause: 1}), "failure limit", "-1"},
	"no failure threshold":        {limited(limit{Decay: 1, Pause: 1}), "failure limit", "threshold 0"},
	"no failure decay":            {limited(limit{Threshold: 1, Pause: 1}), "failure limit", "decay 0s"},
	"negative failure decay":      {limited(limit{Threshold: 1, Decay: -1, Pause: 1}), "failure limit", "-1ns"},
	"no failure pause":            {limited(limit{Threshold: 1, Decay: 1}), "failure limit", "pause 0s"},
	"negative failure pause":      {limited(limit{Threshold: 1, Decay: 1, Pause: -1}), "failure limit", "-1ns"},
	"nil option":                  {with(nil), "option", "nil"},
	"negative middleware timeout": {wrapped(middleware.Timeout(-1)), "Timeout", "-1ns"},
	"zero middleware timeout":     {wrapped(middleware.Timeout(0)), "Timeout", "0s"},
	"negative middleware pause":   {wrapped(middleware.Pause(-1)), "Pause", "-1ns"},
	"no tries":                    {wrapped(middleware.Retry(0, workerfx.StaticBackoff{})), "Retry", "0"},
	"nil retry backoff":           {wrapped(middleware.Retry(1, nil)), "Retry", "nil"},
	"NaN retry backoff":           {wrapped(middleware.Retry(1, workerfx.ExponentialBackoff{Jitter: math.NaN()})), "Retry", "NaN"},
	"nil locker":                  {wrapped(middleware.Singleton(nil)), "Singleton", "nil"},
	"nil error ignored":           {wrapped(middleware.IgnoreErrors(nil)), "IgnoreErrors", "nil"},
	"nil trace option":            {wrapped(middleware.Trace(nil)), "Trace", "nil"},
	"empty span name":             {wrapped(middleware.Trace(middleware.WithSpanName(""))), "Trace", `""`},
}

// brokenSchedule is a schedule by pointer.
type brokenSchedule struct{ at time.Time }

func (s *brokenSchedule) Next(time.Time) time.Time { return s.at }

// Options by their short names.

type (
	backoff = workerfx.ExponentialBackoff
	limit   = workerfx.FailureLimit
)

func with(options ...workerfx.Option) []workerfx.Option { return options }

func scheduled(option workerfx.Option) []workerfx.Option {
	return with(workerfx.WithInterval(time.Second), option)
}
func wrapped(mw workerfx.Middleware) []workerfx.Option { return with(workerfx.WithMiddleware(mw)) }
func exponential(b backoff) []workerfx.Option          { return with(workerfx.WithBackoff(b)) }
func limited(l limit) []workerfx.Option                { return with(workerfx.WithFailureLimit(l)) }

func TestASettingOutOfRangeIsAnErrorThatNamesWorkerFieldAndValue(t *testing.T) {
	for name, test := range refused {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t)
			err := pool.Add(workerfx.NewWorker("mailer", untilStopped, test.options...))
			require.ErrorContains(t, err, `"mailer"`)
			assert.ErrorContains(t, err, test.field)
			assert.ErrorContains(t, err, test.value)
			assert.ErrorContains(t, pool.AddGroup(workersOf{workerfx.NewWorker("w", untilStopped)}, test.options...), test.field)
			assert.Empty(t, pool.Executions())
		})
	}
}

func TestASettingOutOfRangeIsAnErrorForAChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := startPool(t, workerfx.NewWorker("parent", func(ctx context.Context) error {
			for name, test := range refused {
				err := workerfx.AddChild(ctx, workerfx.NewWorker("child", untilStopped), test.options...)
				assert.ErrorContains(t, err, test.field, name)
			}
			return untilStopped(ctx)
		}))
		synctest.Wait()
		assert.Len(t, pool.Executions(), 1)
		stop(t, pool)
	})
}

func succeeds(context.Context) error { return nil }

func biggestBatch(ctx context.Context) error {
	items := make(chan int, 1)
	items <- 1
	return workerfx.Batch(items, math.MaxInt, longest, func(context.Context, []int) error { return nil })(ctx)
}

// extremes are settings at the edge of their range that are fine. An hour after its start the worker has that
// status, after so many runs: no time overflows, and no wait becomes none.
var extremes = map[string]struct {
	body    workerfx.RunFunc
	options []workerfx.Option
	status  workerfx.Status
	runs    int64
}{
	"longest deferred start":  {fails, with(workerfx.WithDeferredStart(longest)), workerfx.StatusDeferred, 0},
	"shortest deferred start": {succeeds, with(workerfx.WithDeferredStart(1)), workerfx.StatusSuccess, 1},
	"most attempts":           {fails, with(workerfx.WithMaxAttempts(math.MaxInt), second), workerfx.StatusWaiting, 3601},
	"no limit of attempts":    {fails, with(endless), workerfx.StatusWaiting, 65},
	"longest healthy":         {fails, with(endless, workerfx.WithHealthyAfter(longest)), workerfx.StatusWaiting, 65},
	"no time is healthy":      {fails, with(endless, workerfx.WithHealthyAfter(0)), workerfx.StatusWaiting, 65},
	"longest stop timeout":    {untilStopped, with(workerfx.WithStopTimeout(longest)), workerfx.StatusRunning, 1},
	"longest run timeout":     {untilStopped, with(workerfx.WithRunTimeout(longest)), workerfx.StatusRunning, 1},
	"shortest run timeout":    {untilStopped, with(workerfx.WithRunTimeout(1)), workerfx.StatusError, 1},
	"endless run timeouts":    {untilStopped, with(workerfx.WithRunTimeout(1), endless), workerfx.StatusWaiting, 65},
	"longest heartbeat":       {untilStopped, with(workerfx.WithHeartbeat(longest, workerfx.RestartStuck)), workerfx.StatusRunning, 1},
	"shortest heartbeat":      {untilStopped, with(workerfx.WithHeartbeat(1)), workerfx.StatusRunning, 1},
	"endless restarts":        {untilStopped, with(workerfx.WithHeartbeat(1, workerfx.RestartStuck), endless), workerfx.StatusWaiting, 65},
	"most events":             {fails, with(workerfx.WithEvents(math.MaxInt), endless), workerfx.StatusWaiting, 65},
	"no events":               {fails, with(workerfx.WithEvents(0), endless), workerfx.StatusWaiting, 65},
	"no replicas":             {fails, with(workerfx.WithReplicas(0)), workerfx.StatusPaused, 0},
	"most replicas allowed":   {succeeds, with(workerfx.WithReplicaLimits(0, math.MaxInt)), workerfx.StatusSuccess, 1},
	"longest interval":        {fails, with(workerfx.WithInterval(longest)), workerfx.StatusWaiting, 0},
	"longest cron interval":   {fails, with(workerfx.WithCron("@every 2562047h")), workerfx.StatusWaiting, 0},
	"a leap day's cron":       {fails, with(workerfx.WithCron("CRON_TZ=UTC 0 0 29 2 *")), workerfx.StatusWaiting, 0},
	"jitter of 1":             {succeeds, with(workerfx.WithInterval(longest), workerfx.WithJitter(1)), workerfx.StatusWaiting, 0},
	"no next tick":            {fails, with(workerfx.WithSchedule(&brokenSchedule{})), workerfx.StatusSuccess, 0},
	"a tick in the past":      {succeeds, with(workerfx.WithSchedule(&brokenSchedule{time.Unix(1, 0)})), workerfx.StatusWaiting, 3600},
	"a tick in the far past":  {succeeds, with(workerfx.WithSchedule(&brokenSchedule{time.Unix(math.MinInt32, 0)})), workerfx.StatusWaiting, 3600},
	"a tick in 9999":          {fails, with(workerfx.WithSchedule(&brokenSchedule{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})), workerfx.StatusWaiting, 0},
	"a tick at the end":       {fails, with(workerfx.WithSchedule(&brokenSchedule{time.Unix(1<<60, 0)})), workerfx.StatusWaiting, 0},
	"longest backoff":         {fails, with(endless, workerfx.WithBackoff(workerfx.StaticBackoff{Sleep: longest})), workerfx.StatusWaiting, 1},
	"longest initial":         {fails, append(exponential(backoff{Initial: longest}), endless), workerfx.StatusWaiting, 1},
	"longest backoff max":     {fails, append(exponential(backoff{Initial: time.Minute, Max: longest}), endless), workerfx.StatusWaiting, 6},
	"highest multiplier":      {fails, append(exponential(backoff{Multiplier: math.MaxFloat64, Max: longest}), endless), workerfx.StatusWaiting, 2},
	"lowest multiplier":       {fails, append(exponential(backoff{Initial: time.Minute, Multiplier: 1}), endless), workerfx.StatusWaiting, 61},
	"highest failure limit":   {fails, append(limited(limit{Threshold: math.MaxInt, Decay: longest, Pause: longest}), endless), workerfx.StatusWaiting, 65},
	"lowest failure limit":    {fails, append(limited(limit{Threshold: 1, Decay: 1, Pause: longest}), endless), workerfx.StatusWaiting, 65},
	"longest failure pause":   {fails, append(limited(limit{Threshold: 1, Decay: longest, Pause: longest}), endless), workerfx.StatusWaiting, 2},
	"longest timeout":         {untilStopped, wrapped(middleware.Timeout(longest)), workerfx.StatusRunning, 1},
	"longest pause":           {succeeds, wrapped(middleware.Pause(longest)), workerfx.StatusRunning, 1},
	"longest retry":           {fails, wrapped(middleware.Retry(math.MaxInt, workerfx.StaticBackoff{Sleep: longest})), workerfx.StatusRunning, 1},
	"biggest batch":           {biggestBatch, nil, workerfx.StatusRunning, 1},
}

func TestASettingAtTheEdgeOfItsRangeDoesAsItSays(t *testing.T) {
	for name, test := range extremes {
		bubble(name, t, func(t *testing.T) { requireAfterAnHour(t, test.body, test.options, test.status, test.runs) })
	}
}

// requireAfterAnHour requires that a worker has that status and so many runs an hour after its start, and that it
// stops at once then.
func requireAfterAnHour(t *testing.T, body workerfx.RunFunc, options []workerfx.Option, status workerfx.Status, runs int64) {
	t.Helper()
	pool := startPool(t, workerfx.NewWorker("w", body, options...))
	time.Sleep(time.Hour)
	e := report(t, pool, "w")
	assert.Equal(t, status, e.Status)
	assert.Equal(t, runs, e.Runs)
	collect(pool)
	begin := time.Now()
	stop(t, pool)
	assert.Zero(t, time.Since(begin))
}

func TestAScheduleAfterADeferredStartComesNoSoonerHoweverLongBothAre(t *testing.T) {
	for name, schedule := range map[string]workerfx.Option{
		"interval": workerfx.WithInterval(200 * 365 * 24 * time.Hour),
		"schedule": workerfx.WithSchedule(&brokenSchedule{time.Unix(1<<60, 0)}),
	} {
		bubble(name, t, func(t *testing.T) {
			requireAfterAnHour(t, fails, with(schedule, workerfx.WithDeferredStart(200*365*24*time.Hour)), workerfx.StatusDeferred, 0)
		})
	}
}

func TestACronWithAnEmptyListIsRefusedAtOnce(t *testing.T) {
	for _, spec := range []string{", * * * * *", "CRON_TZ=Europe/Zurich , * * * * *", ", * * * *", "0 0 , * 1", "1 2 3 29 2 ,"} {
		t.Run(spec, func(t *testing.T) {
			begin := time.Now()
			assert.ErrorContains(t, newPool(t).Add(workerfx.NewWorker("mailer", succeeds, workerfx.WithCron(spec))), `"mailer": cron`)
			assert.Less(t, time.Since(begin), time.Minute, "it does not look for a tick")
		})
	}
}

func TestABodyBuiltOfBadInputIsAnErrorOfAdd(t *testing.T) {
	ch := make(chan int)
	batch := func(context.Context, []int) error { return nil }
	for what, body := range map[string]workerfx.RunFunc{
		"Loop: job is nil":                  workerfx.Loop(nil),
		"FromChannel: channel is nil":       workerfx.FromChannel(nil, func(context.Context, int) error { return nil }),
		"FromChannel: function is nil":      workerfx.FromChannel[int](ch, nil),
		"Batch: channel is nil":             workerfx.Batch(nil, 1, 0, batch),
		"Batch: function is nil":            workerfx.Batch[int](ch, 1, 0, nil),
		"Batch: max size 0":                 workerfx.Batch(ch, 0, 0, batch),
		"Batch: max size -9223372036854775": workerfx.Batch(ch, math.MinInt, 0, batch),
		"Batch: max delay -1ns":             workerfx.Batch(ch, 1, -1, batch),
		"run function is nil":               nil,
	} {
		t.Run(what, func(t *testing.T) {
			err := newPool(t).Add(workerfx.NewWorker("mailer", body))
			assert.ErrorContains(t, err, `worker "mailer": `+what)
			assert.ErrorContains(t, newPool(t).Add(body), what)
		})
	}
}

func TestAnAutoscalerWithBadFieldsIsAnErrorOfAdd(t *testing.T) {
	demand := func(context.Context) (float64, error) { return 0, nil }
	for what, scaler := range map[string]*workerfx.Autoscaler{
		"Worker is empty": {Demand: demand},
		"Demand is nil":   {Worker: "w"},
		"PerReplica NaN":  {Worker: "w", Demand: demand, PerReplica: math.NaN()},
		"PerReplica -1":   {Worker: "w", Demand: demand, PerReplica: -1},
		"PerReplica +Inf": {Worker: "w", Demand: demand, PerReplica: math.Inf(1)},
		"Every -1ns":      {Worker: "w", Demand: demand, Every: -1},
		"CoolDown -1ns":   {Worker: "w", Demand: demand, CoolDown: -1},
		"worker is nil":   nil,
	} {
		t.Run(what, func(t *testing.T) { assert.ErrorContains(t, newPool(t).Add(scaler), what) })
	}
}

func TestADemandOutOfRangeStaysWithinTheReplicaLimits(t *testing.T) {
	for demand, replicas := range map[float64]int{
		0: 1, 1e-300: 1, 3: 3, 1e300: 5, math.Inf(1): 5, math.Inf(-1): 2, -1: 2, math.NaN(): 2,
	} {
		bubble(fmt.Sprint(demand), t, func(t *testing.T) {
			pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicas(2), workerfx.WithReplicaLimits(1, 5)),
				&workerfx.Autoscaler{Worker: "w", Demand: func(context.Context) (float64, error) { return demand, nil }})
			time.Sleep(time.Hour)
			synctest.Wait()
			assert.Len(t, pool.Executions(), replicas+1)
			stop(t, pool)
		})
	}
}

func TestAScaleOutOfRangeIsAnError(t *testing.T) {
	pool := startPool(t, workerfx.NewWorker("w", untilStopped, workerfx.WithReplicaLimits(1, 2)), workerfx.NewWorker("free", untilStopped))
	for replicas, want := range map[int]error{
		0: workerfx.ErrMinReplicas, -1: workerfx.ErrMinReplicas, math.MinInt: workerfx.ErrMinReplicas,
		3: workerfx.ErrMaxReplicas, math.MaxInt: workerfx.ErrMaxReplicas,
	} {
		require.ErrorIs(t, pool.Scale("w", replicas), want)
	}
	require.ErrorIs(t, pool.Scale("free", math.MinInt), workerfx.ErrMinReplicas)
	require.ErrorIs(t, pool.Scale("free", math.MaxInt), workerfx.ErrMaxReplicas)
	assert.Len(t, pool.Executions(), 2)
	stop(t, pool)
}
