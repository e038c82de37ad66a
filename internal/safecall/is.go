package safecall

import "errors"

// Is is errors.Is for errors of user code, whose method Is may panic. Such an error is no other error.
func Is(err, target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}
