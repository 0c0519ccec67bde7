package settings

import (
	"crypto/tls"
	"time"
)

// TLS says how to be sure of a server, and how it can be sure of us.
type TLS struct {
	Enabled bool `key:"enabled" is:"TLS to the server; any of the next three files asks for it too"`
	Certificates
}

// Certificates are the files of a section "tls", each in PEM. Any of them asks for TLS.
type Certificates struct {
	CA   string `key:"ca" is:"PEM file with who may sign the server's certificate; empty is who the system trusts"`
	Cert string `key:"cert" is:"PEM file of the node's own certificate; empty is none"` // with Key
	Key  string `key:"key" is:"PEM file of its private key"`

	Loaded    *tls.Config // what they hold, nil without TLS; set by whoever reads them
	CAExpires time.Time   // zero without CA
}
