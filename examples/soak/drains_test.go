package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDrainsAreJudgedByWhatWasInHand(t *testing.T) {
	judged := func(d *drains) line {
		var v verdict
		d.judge(&v)
		return v.lines[0]
	}
	var d drains
	require.Equal(t, none, judged(&d).says)

	d.cut.addf("an item")
	require.Equal(t, fail, judged(&d).says, "no run was asked to finish, and one was cut short")

	d = drains{}
	d.inHand.Store(3)
	d.finished.Store(2)
	require.Equal(t, line{what: "items in hand that a stop cut short", found: "0 of 3 (finished: 2)", says: pass}, judged(&d))
}
