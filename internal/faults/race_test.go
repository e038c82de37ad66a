//go:build race

package faults_test

// raceFactor is how much less is done under the race detector, which makes everything so much slower.
const raceFactor = 2
