package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// issuers are those whose tokens are taken, by name.
type issuers map[string]*Issuer

// newIssuers checks that every key is one for its algorithms, and that a token's claim "iss" tells
// whose it is.
func newIssuers(list []Issuer) (issuers, error) {
	all := issuers{}
	for i := range list {
		issuer := list[i]
		if issuer.Name == "" && len(list) > 1 {
			return nil, errors.New("an issuer among several has no name: give what the claim \"iss\" says")
		}
		if all[issuer.Name] != nil {
			return nil, fmt.Errorf("there are two issuers %q: leave one", issuer.Name)
		}
		if err := issuer.settle(); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", issuer.Name, err)
		}
		all[issuer.Name] = &issuer
	}
	return all, nil
}

// settle checks an issuer's key and algorithms, and makes it keep slices of its own.
func (i *Issuer) settle() error {
	if err := checkKey(i.Key); err != nil {
		return err
	}
	if secret, ok := i.Key.([]byte); ok {
		i.Key = slices.Clone(secret)
	}
	fit := Algorithms(i.Key)
	for _, name := range i.Algorithms {
		if !slices.Contains(fit, name) {
			return fmt.Errorf("the algorithm %q is not for this key: want %s", name, strings.Join(fit, ", "))
		}
	}
	i.Algorithms, i.Audience = slices.Clone(i.Algorithms), slices.Clone(i.Audience)
	if len(i.Algorithms) == 0 {
		i.Algorithms = fit[:1]
	}
	if slices.Contains(i.Audience, "") {
		return errors.New("an audience is empty: leave it out, or give what the claim \"aud\" has to hold")
	}
	return nil
}

// of returns whose token it is by the claim "iss", which nobody has vouched for yet: a wrong one
// finds another's key, by which the signature is false.
func (all issuers) of(iss any) (*Issuer, *Error) {
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
func (i *Issuer) pins(algorithm string) bool { return slices.Contains(i.Algorithms, algorithm) }
