package auth

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxKeys bounds the keys of an issuer: a token with a false signature is checked with all of them.
const maxKeys = 16

// issuers are those whose tokens are taken, by name. A set of them never changes: another takes its
// place.
type issuers map[string]*issuer

// issuer is an Issuer as tokens are checked with it.
type issuer struct {
	algorithms, audience []string
	keys                 []*key
}

// key is a key of an issuer. It stays the same in another set of issuers, as long as the issuer has
// it and takes the same tokens by it.
type key struct {
	value      any      // as Issuer.Keys has it
	algorithms []string // those of the issuer that fit it

	gone atomic.Pointer[time.Time] // when the issuer lost it; nil while it is in use
}

// newIssuers checks that every key is one for its algorithms, and that a token's claim "iss" tells
// whose it is.
func newIssuers(list []Issuer) (issuers, error) {
	all := issuers{}
	for _, i := range list {
		if i.Name == "" && len(list) > 1 {
			return nil, errors.New("an issuer among several has no name: give what the claim \"iss\" says")
		}
		if all[i.Name] != nil {
			return nil, fmt.Errorf("there are two issuers %q: leave one", i.Name)
		}
		issuer, err := newIssuer(i)
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", i.Name, err)
		}
		all[i.Name] = issuer
	}
	return all, nil
}

// newIssuer checks an issuer's keys and algorithms, and makes copies of its slices.
func newIssuer(said Issuer) (*issuer, error) {
	switch {
	case len(said.Keys) == 0:
		return nil, errors.New("there is no key")
	case len(said.Keys) > maxKeys:
		return nil, fmt.Errorf("there are %d keys: want %d at most", len(said.Keys), maxKeys)
	case slices.Contains(said.Audience, ""):
		return nil, errors.New("an audience is empty: leave it out, or give what the claim \"aud\" has to hold")
	}
	i := &issuer{algorithms: slices.Clone(said.Algorithms), audience: slices.Clone(said.Audience)}
	for _, value := range said.Keys {
		fit, err := algorithmsOf(value)
		if err != nil {
			return nil, err
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
func (i *issuer) settle() error {
	var fit []string // any of the keys
	for _, k := range i.keys {
		fit = appendNew(fit, k.algorithms...)
	}
	for _, name := range i.algorithms {
		if !slices.Contains(fit, name) {
			return fmt.Errorf("the algorithm %q is not for this key: want %s", name, strings.Join(fit, ", "))
		}
	}
	for _, k := range i.keys {
		own := slices.DeleteFunc(slices.Clone(k.algorithms), func(name string) bool { return !i.pins(name) })
		if len(own) == 0 {
			return fmt.Errorf("a key is for none of the algorithms %s: add one of %s", strings.Join(i.algorithms, ", "), strings.Join(k.algorithms, ", "))
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
