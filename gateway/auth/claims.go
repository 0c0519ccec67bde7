package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxMember  = 256          // bytes of a member's id that is a string
	maxSeconds = 253402300799 // the last second of the year 9999, beyond which RFC 3339 can't say a time
)

// claims are what a token says. Of a name that stands in it twice, the last counts, as RFC 7519
// section 4 allows.
type claims struct {
	jwt.Claims // nil: the methods that Parser wants are for checks of its own, which are off
	values     map[string]any
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(text []byte) error {
	if !utf8.Valid(text) {
		return fault(CheckForm, "the claims are not UTF-8") // the decoder would make different names and ids the same
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // float64 holds no id over 2^53
	if err := dec.Decode(&c.values); err != nil {
		return err
	}
	_, err := plain(c.values)
	return err
}

// Assume returns the identity of a token whose claims are text, a JSON object: for what-if questions. It
// looks only at the member's claim, which may be missing, and if there are several issuers at "iss",
// which tells whose the member's destinations are.
func (cfg Config) Assume(text []byte) (*Identity, error) {
	said := &claims{}
	if err := json.Unmarshal(text, said); err != nil {
		return nil, err
	}
	if said.values == nil {
		return nil, errors.New("no JSON object")
	}
	id := &Identity{Claims: said.values}
	if name := cfg.withDefaults().Member; said.values[name] != nil {
		var f *Error
		if id.Member, f = said.member(name); f != nil {
			return nil, f
		}
	}
	id.assumed.none = len(cfg.Issuers) > 1
	for _, i := range cfg.Issuers {
		if len(cfg.Issuers) == 1 || i.Name == id.Claims["iss"] {
			id.assumed = i.inboxes(len(cfg.Issuers))
		}
	}
	return id, nil
}

// plain makes the numbers in v of Go's types, in place where they are in a list or an object.
func plain(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			if v[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = plain(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// number returns an integer as int64, or uint64 if it is too large, and any other number as float64.
func number(text string) (any, error) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if u, err := strconv.ParseUint(text, 10, 64); err == nil {
		return u, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fault(CheckForm, "a claim holds a number that is too large: they go up to 1.8e308")
	}
	return f, nil
}

// expires returns the claim "exp", if a token is still taken at now.
func (c *claims) expires(now time.Time, leeway time.Duration) (time.Time, *Error) {
	v, ok := c.values["exp"]
	if !ok {
		return time.Time{}, fault(CheckExpiry, "the claim \"exp\" is missing, so the token would never expire")
	}
	at, ok := instant(v)
	if !ok {
		return time.Time{}, fault(CheckExpiry, "the claim \"exp\" is no time: want seconds since 1970")
	}
	return at, expired(at, now, leeway)
}

// expired says so if a token that expires at a time is no longer taken at now.
func expired(at, now time.Time, leeway time.Duration) *Error {
	if now.Before(at.Add(leeway)) {
		return nil
	}
	f := fault(CheckExpiry, "the token expired %s ago, by this node's clock", span(now.Sub(at)))
	f.late = true
	return f
}

// span writes how far apart two times are, which may be more than a Duration holds.
func span(d time.Duration) string {
	const century = 100 * 365 * 24 * time.Hour
	if d > century {
		return "over 100 years"
	}
	return d.Round(time.Second).String()
}

// begun checks that a token is valid already: the claims "nbf" and "iat", which it may leave out. If
// it only will be, from is when it is taken.
func (c *claims) begun(now time.Time, leeway time.Duration) (from time.Time, _ *Error) {
	for _, name := range []string{"nbf", "iat"} {
		v, ok := c.values[name]
		if !ok {
			continue
		}
		at, ok := instant(v)
		if !ok {
			return time.Time{}, fault(CheckNotBefore, "the claim %q is no time: want seconds since 1970", name)
		}
		if from := at.Add(-leeway); now.Before(from) {
			return from, fault(CheckNotBefore, "the claim %q is %s ahead of this node's clock", name, span(at.Sub(now)))
		}
	}
	return time.Time{}, nil
}

// instant returns the time that a NumericDate says (RFC 7519 section 2).
func instant(v any) (time.Time, bool) {
	switch v := v.(type) {
	case int64:
		return time.Unix(v, 0), v >= 0 && v <= maxSeconds
	case float64:
		seconds, fraction := math.Modf(v)
		if !(v >= 0 && v <= maxSeconds) {
			return time.Time{}, false
		}
		return time.Unix(int64(seconds), int64(fraction*1e9)), true
	}
	return time.Time{}, false
}

// audience checks that the claim "aud", a string or a list, holds one of those that are wanted.
func (c *claims) audience(wanted []string) *Error {
	if len(wanted) == 0 {
		return nil
	}
	given, ok := c.values["aud"].([]any)
	if !ok {
		given = []any{c.values["aud"]}
	}
	isWanted := func(g any) bool { text, ok := g.(string); return ok && slices.Contains(wanted, text) }
	if slices.ContainsFunc(given, isWanted) {
		return nil
	}
	return fault(CheckAudience, "the claim \"aud\" holds none of %s", strings.Join(wanted, ", "))
}

// usage checks that a claim, where it is there, says what it has to say of an access token.
func (c *claims) usage(name, access string) *Error {
	if v, ok := c.values[name]; name != "-" && ok && v != access {
		return fault(CheckUsage, "the claim %q is not %q, so the token is for something else, such as to get a new one", name, access)
	}
	return nil
}

// member returns the claim that names the member, as JSON: an integer of 64 bits or a string.
func (c *claims) member(name string) (string, *Error) {
	switch v := c.values[name].(type) {
	case int64:
		return strconv.FormatInt(v, 10), nil
	case string:
		// The decoder puts U+FFFD for half a surrogate pair: different ids would be the same.
		if v == "" || len(v) > maxMember || strings.ContainsRune(v, utf8.RuneError) {
			return "", fault(CheckMember, "the claim %q is empty, longer than %d bytes or no text", name, maxMember)
		}
		text, err := json.Marshal(v) // as the registry writes it, so that equal ids are equal texts
		if err != nil {
			return "", fault(CheckMember, "the claim %q is no text", name)
		}
		return string(text), nil
	case nil:
		return "", fault(CheckMember, "the claim %q, which names the member, is missing", name)
	}
	return "", fault(CheckMember, "the claim %q is neither an integer of 64 bits nor a string", name)
}

// roles returns a claim that is a list of strings, or a lone one; none when it is not there.
func (c *claims) roles(name string) ([]string, *Error) {
	switch v := c.values[name].(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		roles := make([]string, len(v))
		for i := range v {
			var ok bool
			if roles[i], ok = v[i].(string); !ok {
				return nil, fault(CheckRoles, "the claim %q holds what is no string", name)
			}
		}
		return roles, nil
	}
	return nil, fault(CheckRoles, "the claim %q is neither a string nor a list of strings", name)
}
