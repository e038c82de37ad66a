package nilcheck_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx/internal/nilcheck"
)

func TestNilInsideOfAnInterfaceIsFound(t *testing.T) {
	var stringer fmt.Stringer
	for _, v := range []any{nil, stringer, (*int)(nil), (func())(nil), map[string]int(nil), []int(nil), (chan int)(nil)} {
		require.True(t, nilcheck.IsNil(v), "%T", v)
	}
	for _, v := range []any{0, "", struct{}{}, [1]*int{}, new(int), func() {}, map[string]int{}, []int{}, make(chan int), errors.New("")} {
		require.False(t, nilcheck.IsNil(v), "%T", v)
	}
}
