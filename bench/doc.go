// Package bench measures package queue beside plain River, which it builds on, and gue: how many jobs a second
// they work, and how soon an idle one begins a job. It is a module of its own, so that its contenders enter
// nobody's go.sum. The figures are in docs/queue.md; to measure yourself:
//
//	go test -run '^$' -bench . -benchtime 5x -timeout 30m ./bench
package bench
