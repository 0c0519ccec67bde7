package admin

import "time"

// Certificates tells of the files of certificates that the node uses. It must not block.
type Certificates func() []Certificate

// Certificate is one of those files.
type Certificate struct {
	Key, File string // the setting that names it, and its name
	Expires   time.Time
}

func (list Certificates) collect(s scrape) {
	for _, c := range list() {
		s.gauge("certificate_expiry_seconds", "Time until a certificate expires, less than 0 once it has.",
			time.Until(c.Expires).Seconds(), "key", c.Key, "file", c.File)
	}
}
