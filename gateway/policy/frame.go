package policy

import (
	"encoding/json"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// The variables of every expression.
const (
	varClaims      = "claims"      // what the token says; nothing for an anonymous frame
	varVars        = "vars"        // what the variables of the rule's match stand for
	varHeaders     = "headers"     // the sender's own header entries that travel, of repeated ones the first
	varDestination = "destination" // what the client named
	varSession     = "session"     // who asks; not a value itself

	varKey       = varSession + ".key"
	varPrincipal = varSession + ".principal"
	varNode      = varSession + ".node"
	varMember    = varSession + ".member" // an int or text; null when nobody is logged in
	varTransport = varSession + ".transport"
	varVersion   = varSession + ".version"
	varRemote    = varSession + ".remote"
)

// sessionHas is what an author reads who has misspelt one of these.
const sessionHas = "session has key, principal, node, member, transport, version and remote"

// frameVariables declares them. What is of a session is declared piece by piece, so that the
// compiler knows the names and types of all, and no map is made to evaluate one.
func frameVariables() []cel.EnvOption {
	texts := cel.MapType(cel.StringType, cel.StringType)
	list := []cel.EnvOption{
		cel.Variable(varClaims, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(varVars, texts),
		cel.Variable(varHeaders, texts),
		cel.Variable(varDestination, cel.StringType),
		cel.Variable(varMember, cel.DynType),
	}
	for _, name := range []string{varKey, varPrincipal, varNode, varTransport, varVersion, varRemote} {
		list = append(list, cel.Variable(name, cel.StringType))
	}
	return list
}

// frame is a SUBSCRIBE or a SEND as an expression sees it, less its body. What no expression asks
// for is not made.
type frame struct {
	request Request
	match   *destination.Matcher
	bound   destination.Bindings

	// Made at the first mention: an expression may name them at each step of a loop.
	session           *Session
	fields, variables any
}

// Parent implements cel.Activation.
func (f *frame) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation.
func (f *frame) ResolveName(name string) (any, bool) {
	switch name {
	case varClaims:
		return f.request.Claims, true
	case varVars:
		return once(&f.variables, func() any { return f.match.Variables(&f.bound) }), true
	case varHeaders:
		return once(&f.fields, func() any { return firstOf(f.request.Headers) }), true
	case varDestination:
		return f.request.Destination, true
	case varKey:
		return f.describe().Key, true
	case varPrincipal:
		return f.describe().Principal, true
	case varNode:
		return f.describe().Node, true
	case varMember:
		return memberValue(f.request.Member), true
	case varTransport:
		return f.describe().Transport, true
	case varVersion:
		return f.describe().Version, true
	case varRemote:
		return f.describe().Remote, true
	}
	return nil, false
}

// describe asks the session for its description once.
func (f *frame) describe() *Session {
	if f.session == nil {
		f.session = &Session{}
		if f.request.From != nil {
			*f.session = f.request.From.Describe()
		}
	}
	return f.session
}

// memberValue is a member as CEL has it.
func memberValue(member string) any {
	if i, err := strconv.ParseInt(member, 10, 64); err == nil {
		return i
	}
	var s string
	if json.Unmarshal([]byte(member), &s) != nil { // empty
		return types.NullValue
	}
	return s
}

// once makes a value the first time that it is asked for.
func once(value *any, make func() any) any {
	if *value == nil {
		*value = make()
	}
	return *value
}

// firstOf maps the names of entries to their values, repeated ones to the first.
func firstOf(headers []bus.Header) map[string]string {
	first := make(map[string]string, len(headers))
	for _, h := range headers {
		if _, repeated := first[h.Name]; !repeated {
			first[h.Name] = h.Value
		}
	}
	return first
}
