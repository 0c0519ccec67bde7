package auth

import (
	"cmp"
	"context"
	"time"
)

// Issuer is somebody whose tokens are accepted.
type Issuer struct {
	Name       string   // what the claim "iss" must be; empty for any, which only a sole issuer may be
	Algorithms []string // such as "RS256"; each fits one of Keys, and each of Keys fits one (see Algorithms); empty for the first that fits each
	Keys       []any    // each a []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey; any of them may have signed
	Audience   []string // one of which must be in the claim "aud"; empty for no check

	// Label tells members of this issuer from those of others with the same ids, in their destinations: with
	// the label "x" they have /member/x:7 (see destination.Inbox). Without a label they have /member/7 if the
	// issuer is the only one, or is Main, which one issuer may be; otherwise they have none.
	Label string
	Main  bool
}

// Config says which tokens are accepted, and what they say. Its zero value accepts none.
type Config struct {
	Issuers []Issuer
	Member  string           // the claim that names the member, default "mu"
	Roles   string           // the claim that lists the roles, default "rl"
	Usage   string           // the claim that tells access tokens from others, default "tu"; "-" for no check
	Access  string           // what that claim must be if it is there, default "access"
	Leeway  time.Duration    // how much clocks may differ
	Revoked Revocations      // nil for none
	Now     func() time.Time // the clock, default time.Now
}

// Revocations is a list of tokens that were revoked before they expired.
type Revocations interface {
	// Revoked reports whether a token is on the list. It may wait until ctx ends, and runs off the
	// loops. An error is about the list, not the token.
	Revoked(ctx context.Context, token string) (bool, error)
}

// withDefaults returns cfg with what it leaves out.
func (cfg Config) withDefaults() Config {
	cfg.Member, cfg.Roles = cmp.Or(cfg.Member, "mu"), cmp.Or(cfg.Roles, "rl")
	cfg.Usage, cfg.Access = cmp.Or(cfg.Usage, "tu"), cmp.Or(cfg.Access, "access")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}
