package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strings"

	"github.com/stompgw/stompgw/gateway/problem"
)

// Scope says what a key may be used for.
type Scope string

const (
	ScopePublish Scope = "publish" // messages
	ScopeRead    Scope = "read"    // who is there, and what the rules say
	ScopeHistory Scope = "history" // what was published to destinations with history
	ScopeOperate Scope = "operate" // what ends or changes something
)

// scheme is what the document calls the way in which a request names its key.
const scheme = "key"

// Key is what a backend presents with each request.
type Key struct {
	Name   string // for people, and for the log of what was done with it
	Secret string
	Scopes []Scope
}

// SetKeys says whose requests are accepted from now on.
func (a *API) SetKeys(list []Key) {
	hashed := make([]hashedKey, len(list))
	for i, key := range list {
		hashed[i] = hashedKey{key, sha256.Sum256([]byte(key.Secret))}
	}
	a.keys.Store(&hashed)
}

// hashedKey is a Key whose secret has one length, whatever it was, for a comparison that takes the same time for all.
type hashedKey struct {
	Key
	sum [sha256.Size]byte
}

// keyFor returns the key that a request names, or why there is none.
func (a *API) keyFor(r *http.Request) (*Key, *Problem) {
	word, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(word, "Bearer") {
		return nil, unauthorized(`no key: want the header "Authorization: Bearer KEY"`, "")
	}
	sum := sha256.Sum256([]byte(secret))
	var found *Key
	for _, key := range *cmp.Or(a.keys.Load(), &[]hashedKey{}) {
		if subtle.ConstantTimeCompare(key.sum[:], sum[:]) == 1 {
			found = &key.Key
		}
	}
	if found == nil {
		return nil, unauthorized("the key is none of those that are taken", `, error="invalid_token"`)
	}
	return found, nil
}

// unauthorized is the Problem of a request without a key that is taken.
func unauthorized(detail, challenge string) *Problem {
	return problem.New(http.StatusUnauthorized, "%s", detail).With("WWW-Authenticate", `Bearer realm="stompgw"`+challenge)
}

type keyInContext struct{}

func withKey(ctx context.Context, key *Key) context.Context {
	return context.WithValue(ctx, keyInContext{}, key)
}

// keyOf returns the key of the request that is being answered.
func keyOf(ctx context.Context) *Key { return ctx.Value(keyInContext{}).(*Key) }

// noteRefusal writes a line without anything that the request brought but its address. name is that of the key, where it is known.
func (a *API) noteRefusal(r *http.Request, p *Problem, name string) {
	a.refused.Log(a.log, slog.LevelWarn, "refused a request to the API", "status", p.Status, "why", p.Detail, "key", name, "remote", r.RemoteAddr)
}
