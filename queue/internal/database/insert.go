package database

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// FetchCooldown is the shortest time between two looks for jobs. River's 100ms is 10 looks a second.
const FetchCooldown = time.Millisecond

// soon is how far ahead clients look for jobs. River's scheduler, which looks every five seconds, is for later jobs.
const soon = 5 * time.Second

// InsertHook refuses arguments that PostgreSQL cannot store. It also makes jobs that are due soon available at once, as
// River does with attempts. Clients wait for their time.
type InsertHook struct{ river.HookDefaults }

// InsertBegin is called before a job is inserted.
func (*InsertHook) InsertBegin(_ context.Context, job *rivertype.JobInsertParams) error {
	if err := checkZeroBytes(job.Kind, job.EncodedArgs); err != nil {
		return err
	}
	if job.State == rivertype.JobStateScheduled && job.ScheduledAt != nil && time.Until(*job.ScheduledAt) <= soon {
		job.State = rivertype.JobStateAvailable
	}
	return nil
}
