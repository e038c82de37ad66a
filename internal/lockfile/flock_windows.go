package lockfile

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks a file for as long as it is open. free is false if the file is locked already.
func lockFile(file *os.File) (free bool, err error) {
	const exclusive = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err = windows.LockFileEx(windows.Handle(file.Fd()), exclusive, 0, 1, 0, new(windows.Overlapped))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
