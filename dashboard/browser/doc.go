// Package browser has only tests: they use the dashboard in a real browser, headless Chromium. It is a module of its own,
// so that the driver of the browser stays out of the go.sum of other users.
package browser
