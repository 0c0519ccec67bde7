package policy

import (
	"context"
	"fmt"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/traits"

	"github.com/stompgw/stompgw/gateway/destination"
)

// A room is a destination whose channel has presence: who has a subscription to it by its very name is present. What
// is below the prefix of presence tells of a room: /presence/topic/x of /topic/x. Who may subscribe to the room may
// subscribe to that, and a channel that says the prefix itself can only take from it.

// Presence is what clients can know about who is subscribed to each destination of a channel.
type Presence uint8

const (
	PresenceNone    Presence = iota // nothing: the destinations are not rooms
	PresenceMembers                 // who is present
	PresenceCount                   // how many are present, and not who
)

// String is the word in settings: "false", "true" or "count".
func (p Presence) String() string {
	switch p {
	case PresenceMembers:
		return "true"
	case PresenceCount:
		return "count"
	}
	return "false"
}

// UnmarshalText accepts the word in settings.
func (p *Presence) UnmarshalText(text []byte) error {
	for _, is := range []Presence{PresenceNone, PresenceMembers, PresenceCount} {
		if string(text) == is.String() {
			*p = is
			return nil
		}
	}
	return fmt.Errorf("%q is none of true, false, count", text)
}

// IsPresence reports whether name is the prefix of presence or anything below it, also if it belongs to no room.
func (c *Catalogue) IsPresence(name string) bool { return c.prefixes.isPresence(name) }

func (p *Prefixes) isPresence(name string) bool {
	return p.Presence != "" && destination.IsUnder(name, p.Presence)
}

// Room returns the room that a destination below the prefix of presence is about: "/topic/x" for "/presence/topic/x". It
// is empty if that can't be a room: a destination of sessions, members, the application or presence.
func (c *Catalogue) Room(name string) string {
	if !c.IsPresence(name) {
		return ""
	}
	if room := name[len(c.prefixes.Presence):]; c.mayBeRoom(room) {
		return room
	}
	return ""
}

// mayBeRoom reports whether a destination is none of those that are never rooms.
func (c *Catalogue) mayBeRoom(name string) bool {
	return name != c.errorDest && c.prefixes.mayBeRoom(name)
}

// PresenceOf returns the destination that tells who is in a room: "/presence/topic/x" for "/topic/x". It is empty for
// what can't be a room, and if there is no prefix of presence.
func (c *Catalogue) PresenceOf(room string) string {
	if name := c.prefixes.Presence + room; c.prefixes.Presence != "" && c.Room(name) != "" {
		return name
	}
	return ""
}

// mayBeRoom reports whether a destination, or what a rule says, is none of those that are never rooms.
func (p *Prefixes) mayBeRoom(name string) bool {
	return name != "" && !p.isPresence(name) && !p.isMember(name) && !destination.IsUnder(name, p.User) && !destination.IsUnder(name, p.App)
}

// errPresence is why nobody writes below the prefix of presence.
const errPresence = "%q is under the presence prefix %s, where the gateway alone tells who is there"

// compileView checks a channel that takes from who may see who is present.
func (ru *rule) compileView(said Channel, p Prefixes) error {
	mistake := func(field, reason string) error {
		return ru.mistake(field, errPresence+": %s", said.Match, p.Presence, reason)
	}
	switch {
	case !p.mayBeRoom(said.Match[len(p.Presence):]):
		return mistake(".match", fmt.Sprintf("write it like %s/topic/{room}, with a room's name behind the prefix", p.Presence))
	case said.Send != "" && said.Send != "false":
		return mistake(".send", "leave it out")
	case said.Patterns:
		return mistake(".patterns", "leave it out, as nobody subscribes to that by pattern")
	case said.From:
		return mistake(".from", "leave it out")
	case said.History != (History{}):
		return mistake(".history", "leave it out")
	case said.Presence != PresenceNone:
		return mistake(".presence", "leave it out here, and say it of the room")
	case said.PresenceInfo != "":
		return mistake(".presence_info", "leave it out here, and say it of the room")
	}
	var err error
	if ru.room, err = destination.NewMatcher(said.Match[len(p.Presence):]); err != nil {
		return ru.mistake(".match", "%v", err)
	}
	ru.views = true
	return nil
}

// compilePresence checks what is to be known of who is subscribed to the destinations that a channel is about.
func (ru *rule) compilePresence(c *compiler, said Channel, of *Catalogue) (err error) {
	p := &of.prefixes
	switch {
	case said.Presence == PresenceNone && said.PresenceInfo == "":
		return nil
	case said.Presence == PresenceNone:
		return ru.mistake(".presence_info", "is shown to nobody: it needs presence: true")
	case said.Presence == PresenceCount && said.PresenceInfo != "":
		return ru.mistake(".presence_info", "is shown to nobody, as presence: count says how many there are and not who: want presence: true, or leave it out")
	case destination.IsUnder(said.Match, p.User):
		return ru.mistake(".presence", "%q is under the session prefix %s, where a session is alone: leave it out", said.Match, p.User)
	case p.isMember(said.Match):
		return ru.mistake(".presence", "%q is under the member prefix %s, where a member is alone: leave it out", said.Match, p.Member)
	case said.Match == of.errorDest:
		return ru.mistake(".presence", "%q is the error destination, where each client hears of its own frames: leave it out", said.Match)
	}
	ru.presence = said.Presence
	ru.info, err = c.compile(said.PresenceInfo, ru.path+".presence_info", &ru.match, (*expression).reviewInfo)
	return err
}

// infoHas says what presence_info is made of.
const infoHas = "what is shown of who is present can depend on claims, session, vars and destination, not on the headers or the body of a frame"

// reviewInfo checks that the expression makes what can be shown of somebody, of what lasts longer than a frame.
func (e *expression) reviewInfo() (errs []error) {
	for id, reference := range e.ast.NativeRep().ReferenceMap() {
		if reference.Name == varHeaders {
			errs = append(errs, e.fault(id, infoHas))
			break
		}
	}
	t := e.ast.OutputType()
	if isMap := t.Kind() == types.MapKind && isText(t.Parameters()[0]); !isMap && t.Kind() != types.DynKind {
		errs = append(errs, e.whole("is "+typeName(t)+`: want a map with keys of text, such as {"name": claims.name}`)...)
	}
	return errs
}

// Why nobody sees who is present, or says so.
const (
	errPresencePattern = reason("nobody sees by pattern who is present")
	errNoRoom          = reason("its channel has no presence")
	errGatewayAlone    = reason("the gateway alone tells who is there")
)

// subscribePresence is JudgeSubscribe for what tells of a room.
func (c *Catalogue) subscribePresence(r *Request) (Grant, *Refusal) {
	if destination.IsPattern(r.Destination) {
		return Grant{}, refusedBy("", CodePattern, errPresencePattern)
	}
	of := *r
	if of.Destination = c.Room(r.Destination); of.Destination == "" {
		return Grant{}, Refuse(CodeNoRule)
	}
	ru, b := c.channelOf(of.Destination)
	switch {
	case ru == nil:
		return Grant{}, Refuse(CodeNoRule)
	case ru.presence == PresenceNone:
		return Grant{}, refusedBy(ru.path, CodeNoRule, errNoRoom)
	}
	given, refusal := ru.grant(&of, &b)
	if refusal != nil {
		return Grant{}, refusal
	}
	given.Destination, given.Presence, given.Room = r.Destination, ru.presence, of.Destination
	if narrower, b := c.channelOf(r.Destination); narrower != nil && narrower.views {
		less, refusal := narrower.grant(r, &b)
		if refusal != nil {
			return Grant{}, refusal
		}
		given.Login = given.Login || less.Login
	}
	return given, nil
}

// maxInfo is how much is shown of a member, in bytes of JSON.
const maxInfo = 1 << 10

const errInfo = reason("the result is no map with keys of text")

// PresenceInfo makes what is shown of a subscriber to a room, beside the member's id: a JSON object of at most 1 KiB, nil
// if the room's channel shows nothing, or nothing of this subscriber. It runs on an event loop, as JudgeSubscribe does.
// An error quotes nothing of the claims.
func (c *Catalogue) PresenceInfo(r *Request) ([]byte, error) {
	ru, b := c.channelOf(r.Destination)
	if ru == nil || ru.info == nil {
		return nil, nil
	}
	v, err := ru.info.evaluate(context.Background(), &frame{request: *r, match: &ru.match, bound: b})
	if err != nil {
		return nil, err
	}
	w := jsonWriter{limit: maxInfo}
	if _, isMap := v.(traits.Mapper); !isMap {
		err = errInfo
	} else if err = w.write(v, 0); err == nil && len(w.out) > maxInfo {
		err = errTooLarge
	}
	if err != nil {
		return nil, &unfit{ru.info, err}
	}
	if string(w.out) == "{}" {
		return nil, nil
	}
	return w.out, nil
}

// Roomless returns the channels below the prefix of presence that belong to no room, since no channel with presence
// matches one: paths such as "channels[2]".
func (c *Catalogue) Roomless() (paths []string) {
	for i := range c.channels {
		if ru := &c.channels[i]; ru.views && !c.hasRoom(&ru.room) {
			paths = append(paths, ru.path)
		}
	}
	return paths
}

// hasRoom reports whether there may be a room that m matches, as far as can be seen by how they begin.
func (c *Catalogue) hasRoom(m *destination.Matcher) bool {
	for i := range c.channels {
		ru := &c.channels[i]
		if ru.presence != PresenceNone && reachesBegin(m, &ru.match) && reachesBegin(&ru.match, m) {
			return true
		}
	}
	return false
}

// reachesBegin reports whether m matches anything that begins as other does.
func reachesBegin(m, other *destination.Matcher) bool {
	begin := other.Begin()
	return begin == "" || m.Reaches(begin)
}

// HasPresence reports whether a destination is a room: its channel has presence.
func (c *Catalogue) HasPresence(name string) bool {
	if !c.mayBeRoom(name) {
		return false
	}
	ru, _ := c.channelOf(name)
	return ru != nil && ru.presence != PresenceNone
}
