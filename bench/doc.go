// Package bench measures package queue beside plain River, which it builds on, and gue: how many jobs a second
// they work, and how soon an idle one begins a job. It is a module of its own, so that its contenders enter
// nobody's go.sum. README.md says how to run it, and what came out.
package bench
