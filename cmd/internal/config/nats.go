package config

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nkeys"
)

// natsURL is the key of URLs, which may hold passwords.
const natsURL = "bus.nats.url"

// NATS says where the servers are, and as whom to log in: nobody, or one of User with Password,
// Token, NKey, Creds, and what stands in URL.
type NATS struct {
	URL    string // may hold a password: print it through RedactURL
	Prefix string // of all subjects
	User   string
	TLS    ClientTLS // any of its files makes TLS a must; its Enabled is no key here, that is tls:// in URL

	// Each from a file, or from the environment where the table of keys says so.
	Password, Token, NKey, Creds                 Secret
	PasswordFile, TokenFile, NKeyFile, CredsFile string
}

// checkNATS checks bus.nats and loads what its files hold. A node with the embedded server uses
// nothing of it but the prefix.
func (c *Config) checkNATS() (errs []error) {
	n := &c.Bus.NATS
	for u := range strings.SplitSeq(n.URL, ",") {
		if err := checkURL(strings.TrimSpace(u)); err != nil {
			errs = append(errs, c.fault(natsURL, "%v", err))
		}
	}
	switch p := n.Prefix; {
	case p == "", strings.ContainsAny(p, " \t\r\n*>"), strings.Contains("."+p+".", ".."):
		errs = append(errs, c.fault("bus.nats.prefix", "%q is not the beginning of a NATS subject: write it like stomp or acme.stomp", p))
	case len(p) > 256:
		errs = append(errs, c.fault("bus.nats.prefix", "has %d bytes: want 256 at most", len(p)))
	}
	if c.Bus.Driver != "nats" || !c.uses("bus.nats") {
		return errs
	}
	errs = append(errs, c.load("bus.nats.password", n.PasswordFile, &n.Password, parseLine)...)
	errs = append(errs, c.load("bus.nats.token", n.TokenFile, &n.Token, parseLine)...)
	errs = append(errs, c.load("bus.nats.nkey", n.NKeyFile, &n.NKey, parseNKey)...)
	errs = append(errs, c.load("bus.nats.creds", n.CredsFile, &n.Creds, parseCreds)...)
	errs = append(errs, c.loadTLS("bus.nats.tls", &n.TLS)...)
	if len(errs) > 0 {
		return errs
	}
	return c.checkLogin()
}

// checkLogin refuses a half way to log in, and more than one.
func (c *Config) checkLogin() []error {
	n := &c.Bus.NATS
	switch {
	case n.User == "" && n.Password.text != "":
		return []error{c.fault(c.Named("bus.nats.password"), "has no user: set bus.nats.user")}
	case n.User != "" && n.Password.text == "":
		return []error{c.fault("bus.nats.user", "has no password: name a file that holds it with bus.nats.password_file, or set %s",
			variable("bus.nats.password"))}
	}
	ways := n.ways()
	if len(ways) < 2 {
		return nil
	}
	return []error{c.fault(c.Named(ways[1]), "is a second way to log in, beside %s (%s): leave one",
		c.Named(ways[0]), c.Origin(c.Named(ways[0])))}
}

// ways are the settings of the ways to log in that are used.
func (n *NATS) ways() (ways []string) {
	for _, way := range []struct {
		path string
		used bool
	}{
		{natsURL, hasUser(n.URL)},
		{"bus.nats.user", n.User != ""},
		{"bus.nats.token", n.Token.text != ""},
		{"bus.nats.nkey", n.NKey.text != ""},
		{"bus.nats.creds", n.Creds.text != ""},
	} {
		if way.used {
			ways = append(ways, way.path)
		}
	}
	return ways
}

// Named returns the key that said what the setting path holds: that of its file, such as
// redis.password_file for redis.password, or its own.
func (c *Config) Named(path string) string {
	if c.Origin(path) == ByDefault && c.Origin(path+"_file") != ByDefault {
		return path + "_file"
	}
	return path
}

// checkURL does not quote what it refuses, which may hold a password.
func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || !isPort(u.Port()) || !slices.Contains([]string{"nats", "tls"}, u.Scheme) {
		return errors.New("is not the URL of a NATS server: write nats://host:4222, or several with commas between")
	}
	return nil
}

// isPort takes no port, which is the usual one, and 0, where an embedded server takes a free one.
func isPort(text string) bool {
	_, err := strconv.ParseUint(cmp.Or(text, "0"), 10, 16)
	return err == nil
}

// hasUser reports whether one of several URLs, which are checked, says as whom to log in.
func hasUser(urls string) bool {
	for raw := range strings.SplitSeq(urls, ",") {
		if u, err := url.Parse(strings.TrimSpace(raw)); err == nil && u.User != nil {
			return true
		}
	}
	return false
}

// RedactURL returns URLs, with commas between, without their passwords and tokens.
func RedactURL(raw string) string {
	parts := strings.Split(raw, ",")
	for i, part := range parts {
		u, err := url.Parse(strings.TrimSpace(part))
		switch {
		case err != nil:
			parts[i] = "(not a URL)"
		case u.User != nil:
			u.User = url.User("REDACTED")
			parts[i] = u.String()
		}
	}
	return strings.Join(parts, ",")
}

// parseNKey takes the seed of a user, the form that `nk -gen user` prints.
func parseNKey(name string, text []byte) (Secret, error) {
	s, err := parseLine(name, text)
	if err != nil {
		return s, err
	}
	if kind, _, err := nkeys.DecodeSeed([]byte(strings.TrimSpace(s.text))); err != nil || kind != nkeys.PrefixByteUser {
		return Secret{}, errors.New(name + " holds no seed of a user: want one that begins with SU, as `nk -gen user` prints it")
	}
	return Secret{text: strings.TrimSpace(s.text)}, nil
}

// parseCreds takes the JWT of a user and the seed for it.
func parseCreds(name string, text []byte) (Secret, error) {
	s, err := parseSecret(name, text)
	if err != nil {
		return s, err
	}
	_, noJWT := nkeys.ParseDecoratedJWT([]byte(s.text))
	_, noSeed := nkeys.ParseDecoratedUserNKey([]byte(s.text))
	if noJWT != nil || noSeed != nil {
		return Secret{}, errors.New(name + " is no creds file: want one as `nsc generate creds` prints it, with the JWT of a user and its seed")
	}
	return s, nil
}
