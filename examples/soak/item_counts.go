package main

import "sync"

// itemCounts keeps account of the items of a stream, which are numbered from 0. It holds no more than the items
// that are under way.
type itemCounts struct {
	mu    sync.Mutex // guards what is below
	sent  int64
	below int64          // all items below it were handled well
	above map[int64]bool // so were these
	twice int64          // so often an item was handled well once more
}

func newItemCounts() *itemCounts { return &itemCounts{above: make(map[int64]bool)} }

// next is the item to be sent next.
func (l *itemCounts) next() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// wasSent notes that the next item is on its way.
func (l *itemCounts) wasSent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
}

// wasHandled notes that these items were handled well.
func (l *itemCounts) wasHandled(items ...int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range items {
		if item < l.below || l.above[item] {
			l.twice++
			continue
		}
		l.above[item] = true
		for l.above[l.below] {
			delete(l.above, l.below)
			l.below++
		}
	}
}

// succeeded is how many items were handled well.
func (l *itemCounts) succeeded() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.below + int64(len(l.above))
}

// balance is how many items were sent, how many of them were never handled well, and how often one was
// handled well once more.
func (l *itemCounts) balance() (sent, lost, twice int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent, l.sent - l.below - int64(len(l.above)), l.twice
}
