package safecall

// BadArgument is the value of a panic of a function that was given a bad argument and cannot return an error.
type BadArgument struct{ Err error }

// Error tells what is wrong with the argument.
func (b BadArgument) Error() string { return b.Err.Error() }

// Unwrap returns the error.
func (b BadArgument) Unwrap() error { return b.Err }
