package queue

import (
	"context"
	"errors"

	"github.com/workerfx/workerfx"
)

var errJobFailed = errors.New("job failed")

// countJob counts a job of the run that ctx belongs to. It is the seam to what workerfx will offer to bodies
// that bring their own engine along: until then it is a loop of one job, which counts none while the run ends.
func countJob(ctx context.Context, ok bool) {
	_ = workerfx.Loop(func(context.Context) error {
		if ok {
			return workerfx.ErrDoNotRestart // alone it says that all is well, and ends the loop
		}
		return errJobFailed
	})(ctx)
}
