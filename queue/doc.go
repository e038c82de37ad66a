// Package queue gives an Fx app durable jobs.
package queue
