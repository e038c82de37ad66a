package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errBrokenPipe = errors.New("broken pipe")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errBrokenPipe }

func TestTableIsAlignedWithTheGreatestWasteFirst(t *testing.T) {
	p := newPass(t.Context(), 1)
	p.files.Store(1200)
	p.hashedFiles.Store(9)
	p.hashedBytes.Store(3_500_000)
	for _, r := range []struct {
		path string
		size int64
		sum  byte
	}{
		{"small/b", 10, 1}, {"small/a", 10, 1}, {"small/c", 10, 1},
		{"alone", 9_999_999, 2},
		{"big/2", 1_234_567, 3}, {"big/1", 1_234_567, 3},
		{"two/2", 20, 4}, {"two/1", 20, 4},
		{"odd\nname", 0, 5}, {"od\xffd", 0, 5}, {"übung", 0, 5},
	} {
		p.add(result{file: file{path: r.path, size: r.size}, hash: hash{0xab, r.sum}})
	}
	p.add(result{file: file{path: "z\t"}, err: errors.New("permission denied")})
	p.add(result{file: file{path: "y"}, err: errors.New("no such file or directory")})
	p.took.Store(int64(1234567 * time.Microsecond))
	var out strings.Builder

	require.NoError(t, table{&out}.write(newSummary(p)))

	require.Equal(t, strings.TrimPrefix(`
 WASTED  FILES     SIZE  SHA-256       PATH
1234567      2  1234567  ab0300000000  big/1
                                       big/2
     20      2       20  ab0400000000  two/1
                                       two/2
     20      3       10  ab0100000000  small/a
                                       small/b
                                       small/c
      0      3        0  ab0500000000  "odd\nname"
                                       "od\xffd"
                                       übung

UNREADABLE
y: no such file or directory
"z\t": permission denied

files scanned:   1200
files hashed:    9
bytes hashed:    3500000 (3.3 MiB)
duplicate sets:  4
bytes wasted:    1234607 (1.2 MiB)
unreadable:      2
time taken:      1.2346s
`, "\n"), out.String())
}

func TestTableWithoutDuplicatesIsTheTotals(t *testing.T) {
	var out strings.Builder
	require.NoError(t, table{&out}.write(newSummary(newPass(t.Context(), 1))))
	require.True(t, strings.HasPrefix(out.String(), "files scanned:   0\n"), out.String())
}

func TestBytesGetTheUnitThatReadsWell(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB", 5 << 40: "5.0 TiB", 1<<63 - 1: "8.0 EiB",
	} {
		require.Equal(t, want, humanBytes(n))
	}
}
