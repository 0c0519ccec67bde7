package config

import (
	"crypto/sha256"
	"maps"
	"slices"
)

// sums are of what files hold, by their names: enough to tell that they hold something else.
type sums map[string][sha256.Size]byte

// read is ReadFile for a file that a setting names: a reload tells whether it has changed.
func (c *Config) read(name string) ([]byte, error) {
	text, err := ReadFile(name)
	if err == nil {
		c.files[name] = sha256.Sum256(text)
	}
	return text, err
}

// ChangedFiles returns the names of the files that other was loaded from, that of the configuration
// too, and that are not what c was loaded from.
func (c *Config) ChangedFiles(other *Config) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(other.files)) {
		if other.files[name] != c.files[name] {
			names = append(names, name)
		}
	}
	return names
}
