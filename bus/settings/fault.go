package settings

import "fmt"

// Fault is a mistake in a setting.
type Fault struct {
	Key    string // within the section, such as "sources[2].topic"; that of a secret is without _file
	Reason string // what is wrong, and what would be right
	Lacks  string // instead of Reason: the secret, such as "password", that Key needs
	Other  string // the key that Reason names with a %s; the configuration knows where it is set
}

// Faults collects mistakes.
type Faults []Fault

// Add adds a mistake; format and args make its reason.
func (f *Faults) Add(key, format string, args ...any) {
	*f = append(*f, Fault{Key: key, Reason: fmt.Sprintf(format, args...)})
}

// AddErr adds a mistake with err as its reason, unless err is nil.
func (f *Faults) AddErr(key string, err error) {
	if err != nil {
		f.Add(key, "%v", err)
	}
}

// AddLack adds that a key needs a secret.
func (f *Faults) AddLack(key, secret string) { *f = append(*f, Fault{Key: key, Lacks: secret}) }

// AddBeside adds a mistake whose reason names another key, with a %s.
func (f *Faults) AddBeside(key, other, reason string) {
	*f = append(*f, Fault{Key: key, Other: other, Reason: reason})
}
