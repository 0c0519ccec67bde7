package auth

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/gateway/destination"
)

// maxKeys bounds the keys of an issuer: a token with a false signature is checked with all of them.
const maxKeys = 16

// issuers are those whose tokens are taken, by name. A set of them never changes: another takes its
// place.
type issuers map[string]*issuer

// issuer is an Issuer as tokens are checked with it.
type issuer struct {
	name                 string
	algorithms, audience []string
	keys                 []*key
	inboxes
}

// inboxes is which destinations the members of an issuer have.
type inboxes struct {
	label string // see Issuer
	none  bool
}

// key is a key of an issuer. It stays the same in another set of issuers, as long as the issuer has
// it and takes the same tokens by it.
type key struct {
	value      any      // as Issuer.Keys has it
	algorithms []string // those of the issuer that fit it

	gone atomic.Pointer[time.Time] // when the issuer lost it; nil while it is in use
}

// IssuerError says why an Issuer's tokens can't be accepted.
type IssuerError struct {
	Issuer int    // its index in Config.Issuers
	Name   string // its name
	Part   string // that is wrong: "name", "keys", "algorithms", "audience" or "label"; empty for the whole
	Index  int    // in a Part that is a list
	Reason string
}

func (e *IssuerError) Error() string { return fmt.Sprintf("issuer %q: %s", e.Name, e.Reason) }

// newIssuers checks that every key is one for its algorithms, and that a token's claim "iss" tells
// whose it is.
func newIssuers(list []Issuer) (issuers, error) {
	all := issuers{}
	var errs []error
	for n, said := range list {
		issuer, fault := newIssuer(said)
		switch {
		case fault != nil:
		case said.Name == "" && len(list) > 1:
			fault = &IssuerError{Part: "name", Reason: "an issuer among several has no name: give what the claim \"iss\" says"}
		case all[said.Name] != nil:
			fault = &IssuerError{Part: "name", Reason: fmt.Sprintf("%q is the name of another issuer, too: leave one", said.Name)}
		default:
			issuer.inboxes = said.inboxes(len(list))
			fault = all.checkLabel(issuer)
		}
		if fault != nil {
			fault.Issuer, fault.Name = n, said.Name
			errs = append(errs, fault)
		}
		all[said.Name] = issuer
	}
	return all, errors.Join(errs...)
}

// inboxes returns those of the members of one of several issuers.
func (said Issuer) inboxes(issuers int) inboxes {
	return inboxes{label: said.Label, none: said.Label == "" && !said.Main && issuers > 1}
}

// Inbox names a member, given as JSON, in its destinations, as Identity.Inbox does: a member of the issuer with that
// label or, if it is empty, of the issuer whose members have none. The error says why there is no such issuer.
func (cfg Config) Inbox(label, member string) (string, error) {
	if len(cfg.Issuers) == 0 {
		return "", errors.New("nobody's tokens are taken, so that there are no members")
	}
	var labels []string
	for _, said := range cfg.Issuers {
		i := said.inboxes(len(cfg.Issuers))
		switch {
		case i.none:
		case i.label == label:
			return i.inbox(member), nil
		default:
			labels = append(labels, strconv.Quote(i.label))
		}
	}
	return "", fmt.Errorf("no issuer with such destinations has the name %q: there are %s", label, strings.Join(labels, ", "))
}

// inbox names a member in its destinations; empty for none.
func (i inboxes) inbox(member string) string {
	if i.none {
		return ""
	}
	return destination.NewInbox(i.label, member).String()
}

// checkLabel checks that no member of an issuer has the destinations of another's.
func (all issuers) checkLabel(i *issuer) *IssuerError {
	if i.label != "" {
		if err := destination.CheckLabel(i.label); err != nil {
			return &IssuerError{Part: "label", Reason: fmt.Sprintf("%q can't stand in a destination: %v", i.label, err)}
		}
	}
	for _, other := range all {
		if other != nil && !i.none && other.inboxes == i.inboxes {
			return &IssuerError{Part: "label", Reason: fmt.Sprintf("%q is what another issuer has, too: their members would have the same destinations", i.label)}
		}
	}
	return nil
}

// newIssuer checks an issuer's keys and algorithms, and makes copies of its slices.
func newIssuer(said Issuer) (*issuer, *IssuerError) {
	if len(said.Keys) == 0 {
		return nil, &IssuerError{Reason: "there is no key"}
	}
	if len(said.Keys) > maxKeys {
		return nil, &IssuerError{Reason: fmt.Sprintf("there are %d keys: want %d at most", len(said.Keys), maxKeys)}
	}
	if n := slices.Index(said.Audience, ""); n >= 0 {
		return nil, &IssuerError{Part: "audience", Index: n, Reason: "an audience is empty: leave it out, or give what the claim \"aud\" has to hold"}
	}
	i := &issuer{name: said.Name, algorithms: slices.Clone(said.Algorithms), audience: slices.Clone(said.Audience)}
	for n, value := range said.Keys {
		fit, err := algorithmsOf(value)
		if err != nil {
			return nil, &IssuerError{Part: "keys", Index: n, Reason: err.Error()}
		}
		if secret, ok := value.([]byte); ok {
			value = slices.Clone(secret)
		}
		i.keys = append(i.keys, &key{value: value, algorithms: fit})
		if len(said.Algorithms) == 0 {
			i.algorithms = appendNew(i.algorithms, fit[0])
		}
	}
	return i, i.settle()
}

// settle leaves each key the algorithms that are the issuer's too. None may be for none.
func (i *issuer) settle() *IssuerError {
	var fit []string // any of the keys
	for _, k := range i.keys {
		fit = appendNew(fit, k.algorithms...)
	}
	for n, name := range i.algorithms {
		if !slices.Contains(fit, name) {
			return &IssuerError{Part: "algorithms", Index: n, Reason: fmt.Sprintf("the algorithm %q is not for this key: want %s", name, strings.Join(fit, ", "))}
		}
	}
	for n, k := range i.keys {
		own := slices.DeleteFunc(slices.Clone(k.algorithms), func(name string) bool { return !i.pins(name) })
		if len(own) == 0 {
			return &IssuerError{Part: "keys", Index: n, Reason: fmt.Sprintf("a key is for none of the algorithms %s: add one of %s",
				strings.Join(i.algorithms, ", "), strings.Join(k.algorithms, ", "))}
		}
		k.algorithms = own
	}
	return nil
}

func appendNew(list []string, more ...string) []string {
	for _, text := range more {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// of returns whose token it is by the claim "iss", which nobody has vouched for yet: a wrong one
// finds another's key, by which the signature is false.
func (all issuers) of(iss any) (*issuer, *Error) {
	if sole := all[""]; sole != nil {
		return sole, nil
	}
	name, ok := iss.(string)
	switch {
	case len(all) == 0:
		return nil, fault(CheckIssuer, "no issuer is configured, so no token is taken")
	case !ok:
		return nil, fault(CheckIssuer, "the claim \"iss\" is missing, or no string")
	case all[name] == nil:
		return nil, fault(CheckIssuer, "the claim \"iss\" is none of the configured issuers")
	}
	return all[name], nil
}

// pins reports whether the issuer signs with an algorithm.
func (i *issuer) pins(algorithm string) bool { return slices.Contains(i.algorithms, algorithm) }

// signer returns the key that text was signed with. Those of the issuer that are for the method are
// tried in turn, whatever the token says of them.
func (i *issuer) signer(method jwt.SigningMethod, text string, signature []byte) (*key, *Error) {
	for _, k := range i.keys {
		if slices.Contains(k.algorithms, method.Alg()) && method.Verify(text, signature, k.value) == nil {
			return k, nil
		}
	}
	return nil, fault(CheckSignature, "the signature is false: the token was changed, or signed with another key")
}

// inherit takes over, from the issuers before, the keys that are the same still, and returns those
// that are not.
func (all issuers) inherit(before issuers) (gone []*key) {
	for name, was := range before {
		is := all[name]
		for _, k := range was.keys {
			if is == nil || !is.takesOver(k, was) {
				gone = append(gone, k)
			}
		}
	}
	return gone
}

// takesOver puts the key of an earlier issuer in the place of its own that is equal, if a token by
// it is as good as it was.
func (i *issuer) takesOver(earlier *key, of *issuer) bool {
	at := slices.IndexFunc(i.keys, func(k *key) bool { return equal(k.value, earlier.value) })
	if at < 0 || !slices.Equal(i.keys[at].algorithms, earlier.algorithms) || !slices.Equal(i.audience, of.audience) {
		return false
	}
	i.keys[at] = earlier
	return true
}

// equal reports whether two keys of issuers are the same.
func equal(a, b any) bool {
	if secret, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && bytes.Equal(secret, other)
	}
	public, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(b)
}
