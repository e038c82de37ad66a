//go:build !race

package faults_test

const raceFactor = 1
