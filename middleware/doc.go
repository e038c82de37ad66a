// Package middleware has ready-made middleware for the workers of a pool.
package middleware
