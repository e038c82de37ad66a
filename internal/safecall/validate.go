package safecall

import "errors"

// Validate calls the method Validate() error of a value, if it has one. A panic in it is an error.
func Validate(v any) (err error) {
	checked, ok := v.(interface{ Validate() error })
	if !ok {
		return nil
	}
	defer func() {
		if value := recover(); value != nil {
			err = errors.New("its method Validate: " + PanicText(value))
		}
	}()
	return checked.Validate()
}
