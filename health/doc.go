// Package health serves the health of a worker pool over HTTP, as Kubernetes' probes expect it:
//
//	GET /livez    fails while a worker is stuck: only a restart of the process helps
//	GET /readyz   fails while the process should get no traffic, or a rollout of it should not go on
//
// A probe that passes is answered with 200, one that fails with 503. With ?verbose, or if it fails, the answer
// has a line for each check; ?exclude=name leaves one out. "workers" is the pool's own check, others may be added.
package health
