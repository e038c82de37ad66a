// Package lifecycle decides what one replica of a worker does next. It is a state machine without goroutines, locks,
// clocks, logs or user code: commands, facts and the time go in, and the next step and a status come out.
//
// A [Machine] is asked one question, [Machine.Next], while no run is under way. The first line that applies decides:
//
//	 #  if                                                  then                        status shown
//	 0  it is done                                          exit                        success, error or stopped
//	 1  it is to stop                                       exit                        stopped
//	 2  it was scaled down                                  exit, until scaled up       paused
//	 3  its group was stopped for good                      exit, until restarted       stopped
//	 4  it is paused                                        wait for Resume             paused
//	 5  its group holds it, since another member failed     wait for Release            waiting
//	 6  it failed, and members of its group still run       sleep until they have       waiting
//	                                                        stopped; past their stop
//	                                                        timeout it fails for good
//	                                                        and stops the group
//	 7  a worker that it comes after is not ready           wait for a change           pending
//	 8  a restart was asked for                             run, without failures
//	 9  a trigger was asked for                             run; the schedule stays
//	10  nobody knows yet when it is due                     ask the schedule or the     as before, or waiting
//	                                                        backoff
//	11  its time has not come                               sleep until then            deferred or waiting
//	12  else                                                run; a tick is taken        running
//
// A restart that was asked for before lines 0 and 3 begins a new life instead of an exit. Line 7 holds for the first run
// of a life and for the first run after a hold. A released replica starts again without its backoff. After a pause or a
// hold, a schedule goes on with its next tick; the ticks that passed were missed. If the policy makes up for missed ticks,
// a run is due at once then, and also after a run during which a tick passed. A run makes up for all ticks before it.
//
// [Machine.Ended] takes the end of a run. A run that was asked to end is no failure, and the next run is due at once. An
// error of its own still counts. Every other end is judged by the [Policy]:
//
//	outcome                     then
//	succeeded                   done: success; with a schedule, the next tick
//	finished                    done: success
//	gave up                     done: error
//	skipped                     the next tick
//	obeyed, stuck, failed       one failure more: the next attempt after the backoff; after the last attempt
//	                            done: error, or with a schedule the next tick
//
// The package knows nothing of other replicas. Whether members of a group run and whether predecessors are ready are
// [Facts] that the caller brings.
package lifecycle
