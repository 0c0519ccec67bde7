package settings

import "fmt"

// Fault is a mistake in a setting.
type Fault struct {
	Key    string // within the section, such as "sources[2].topic"; of a secret without _file
	Reason string // what is wrong, and what would be right
	Lacks  string // instead of Reason: the secret, such as "password", that Key needs
	Other  string // the key that Reason names with a %s; the configuration knows where it stands
}

// Faults collects mistakes.
type Faults []Fault

// Add adds one; the format makes its reason.
func (f *Faults) Add(key, format string, args ...any) {
	*f = append(*f, Fault{Key: key, Reason: fmt.Sprintf(format, args...)})
}

// AddErr adds one if err is not nil, which is its reason then.
func (f *Faults) AddErr(key string, err error) {
	if err != nil {
		f.Add(key, "%v", err)
	}
}

// AddLack adds that a key needs a secret.
func (f *Faults) AddLack(key, secret string) { *f = append(*f, Fault{Key: key, Lacks: secret}) }

// AddBeside adds a reason that names another key, with a %s.
func (f *Faults) AddBeside(key, other, reason string) {
	*f = append(*f, Fault{Key: key, Other: other, Reason: reason})
}
