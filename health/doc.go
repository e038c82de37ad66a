// Package health serves the health of a worker pool over HTTP, as Kubernetes' probes expect it:
//
//	GET /livez    fails while a worker is stuck: only a restart of the process helps
//	GET /readyz   fails while the process should get no traffic, or a rollout of it should not go on
//
// The status is 200 if the probe passes, and 503 if it fails. With ?verbose, or if the probe fails, the answer has
// a line for each check, and for each worker in trouble. The reason of the trouble is in the log, and in the answer only
// with [Config]. ?exclude=name leaves a check out. "workers" is the check of the pool. The app may add
// others.
package health
