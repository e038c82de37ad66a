package database

import (
	"encoding/json"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// Stacks are the stacks of panics of handlers, by job, until they are in the database. River would keep the stack
// of its own goroutine, in which handlers do not run.
type Stacks struct {
	mu    sync.Mutex // guards byJob
	byJob map[int64]string
}

// Keep stores the stack of a job.
func (s *Stacks) Keep(job int64, stack string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byJob == nil {
		s.byJob = make(map[int64]string)
	}
	s.byJob[job] = stack
}

func (s *Stacks) forget(jobs []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byJob) == 0 {
		return
	}
	for _, job := range jobs {
		delete(s.byJob, job)
	}
}

// addTo adds the stacks to the errors of their attempts.
func (s *Stacks) addTo(params *riverdriver.JobSetStateIfRunningManyParams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.byJob) == 0 {
		return
	}
	for i, job := range params.ID {
		stack, ok := s.byJob[job]
		if !ok || params.ErrData[i] == nil {
			continue
		}
		var failed rivertype.AttemptError
		if json.Unmarshal(params.ErrData[i], &failed) != nil {
			continue
		}
		failed.Trace = stack
		if data, err := json.Marshal(failed); err == nil {
			params.ErrData[i] = data
		}
	}
}
