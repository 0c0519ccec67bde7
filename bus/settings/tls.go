package settings

import (
	"crypto/tls"
	"time"
)

// TLS says how to verify a server, and how it can verify us.
type TLS struct {
	Enabled bool `key:"enabled" is:"use TLS; naming any of the next three files turns it on too"`
	Certificates
}

// Certificates are the files of a section "tls", each in PEM. Any of them turns TLS on.
type Certificates struct {
	CA   string `key:"ca" is:"PEM file of the CAs to trust; empty means the system's"`
	Cert string `key:"cert" is:"PEM file of the client certificate; empty means none"` // with Key
	Key  string `key:"key" is:"PEM file of its private key"`

	Loaded    *tls.Config // what they hold, nil without TLS; set by whoever reads them
	CAExpires time.Time   // zero without CA
}
