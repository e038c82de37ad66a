package main

import "sync/atomic"

// drains is what became of the items that workers had in hand when they were to finish.
type drains struct {
	inHand, finished atomic.Int64

	cut faults // items whose run's context ended before they were finished, though no command ended it
}

func (d *drains) judge(v *verdict) {
	const what = "items in hand that a stop cut short"
	if d.inHand.Load() == 0 && d.cut.count() == 0 {
		v.unjudged(what, "none were in hand")
		return
	}
	v.none(what, &d.cut, " of %s (finished: %s)", number(d.inHand.Load()), number(d.finished.Load()))
}
