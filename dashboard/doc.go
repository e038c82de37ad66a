// Package dashboard serves a page that shows the workers of a pool, and lets users with permission act on them.
//
//	mux.Handle("/workers/", http.StripPrefix("/workers", dashboard.Handler(pool)))
//
// Under Fx, [Module] serves the page at 127.0.0.1:8090:
//
//	fx.New(workerfx.Module, dashboard.Module, ...)
//
// # What it shows
//
// The first page has all workers as a tree of groups, replicas and children, with their status, their last and next
// run and their recent runs. It can be searched, and filtered by status. Each worker has a page of its own with its
// recent runs, its events, its last error, its settings and where each comes from, and, if [WithLogs] is given, its last
// log lines. The pages work without JavaScript. With it they follow the changes.
//
// # What it does
//
// Without [WithActions] nothing can be changed: every request that is not GET or HEAD is refused. With it, those whom
// the app's authorize function names may pause, resume, trigger, restart and scale workers.
//
// # Safety
//
// The page shows names, errors, stacks and settings of the process. [Handler] does not ask who reads: the app
// puts its own login in front of it. [Module] listens on the loopback interface unless its [Config] says otherwise.
// Requests that change something must come from the page itself or from a program that is no browser, as
// [http.CrossOriginProtection] checks.
//
// The routes and the fields of the API are in docs/dashboard.md and in the OpenAPI file at api/openapi.json.
package dashboard
