//go:build unix

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkTrust refuses a file that others than root and this process's user may write, or put another in
// the place of: it says whom a node lets in and to whom commands send passwords. It looks at the file
// and the folders above it, and at those of the file that it may be a link to. The error is for behind
// the file's name.
func checkTrust(name string) error {
	named, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(named)
	if err != nil {
		return errors.New("can't be read: " + reason(err))
	}
	for _, file := range []string{named, real} {
		for path := file; ; path = filepath.Dir(path) {
			if err := checkWriters(path, path == file); err != nil {
				return err
			}
			if path == filepath.Dir(path) {
				break
			}
		}
	}
	return nil
}

// checkWriters checks a file, or a folder above it.
func checkWriters(path string, isFile bool) error {
	const others = 0o022
	info, err := os.Stat(path)
	if err != nil {
		return errors.New("can't be read: " + reason(err))
	}
	what, owner := "it", info.Sys().(*syscall.Stat_t).Uid
	if !isFile {
		what = "the folder " + path
	}
	self := uint32(os.Geteuid())
	switch {
	case isReadOnly(path): // whatever its mode says, as that of a Kubernetes volume
		return nil
	case owner != 0 && owner != self:
		return fmt.Errorf("%s belongs to user %d, who is neither root nor this process's user %d and could change the settings: chown it, or name the file with --config",
			what, owner, self)
	case !isFile && info.Mode()&os.ModeSticky != 0: // others can't take away what is not theirs, as in /tmp
		return nil
	case info.Mode().Perm()&others != 0:
		return fmt.Errorf("%s may be written by others than its owner (mode %#o), who could change the settings: chmod go-w it, or name the file with --config",
			what, info.Mode().Perm())
	}
	return nil
}

// isReadOnly reports whether path is on a file system that is mounted so that nobody here can write.
func isReadOnly(path string) bool {
	const write = 2 // W_OK of access(2)
	return errors.Is(syscall.Access(path, write), syscall.EROFS)
}
