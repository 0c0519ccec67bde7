package asyncapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus/settings"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/schema"
)

// builder makes channels of rules.
type builder struct {
	rules       *policy.Catalogue
	tokens      bool // clients can log in
	channels    []*channel
	ids         []string
	hasPresence bool
	schemas     object                    // of what channels carry
	places      map[*schema.Schema]string // of these in the document
	backends    object                    // what they read
}

// channel is a channel of the document, and what a client can do there.
type channel struct {
	id, address string
	parameters  []parameter
	summary     string
	more        []string // sentences behind it
	message     object
	open        bool // everybody may receive, whatever rules say
	operations  []*operation
}

// operation is what a client can do with a channel.
type operation struct {
	action string // receive or send
	rules  []string
	says   []string // sentences, of each rule
	login  bool
}

const (
	receive = "receive" // SUBSCRIBE, then MESSAGE
	send    = "send"    // SEND
)

// at returns the channel of an address, which is new or has come from another rule.
func (b *builder) at(match string) *channel {
	address, parameters := addressed(match)
	for _, c := range b.channels {
		if c.address == address {
			return c
		}
	}
	id := unlike(identifier(address), b.ids)
	b.ids = append(b.ids, id)
	c := &channel{id: id, address: address, parameters: parameters, message: object{{"name", "message"}}}
	b.channels = append(b.channels, c)
	return c
}

// identifier is an address as a name in programs: topic_room of /topic/{room}.
func identifier(address string) string {
	words := strings.FieldsFunc(safe(address), func(r rune) bool { return r == '_' || r == '-' })
	if len(words) == 0 {
		return "channel"
	}
	return strings.Join(words, "_")
}

// addErrors adds where refusals go, to which everybody may subscribe.
func (b *builder) addErrors() {
	name := b.rules.ErrorDestination()
	if name == "" {
		return
	}
	c := b.at(name)
	c.summary = "Where the gateway says what it has refused, and why"
	c.message = object{
		{"name", "refusal"}, {"contentType", "application/json"}, {"payload", ref("components/schemas/refusal")},
		{"examples", example(`{"clientRequestCode":"SEND","errorCode":3,"errorMessage":"No channel or route has this destination","error":"no_rule","retryable":false,"destination":"/app/nowhere"}`)},
	}
	c.does(receive, "", false, "Everybody may subscribe.")
	c.open = true
}

// add adds what a rule lets clients do.
func (b *builder) add(rule policy.Outline) {
	switch {
	case rule.Route != nil:
		b.addRoute(rule)
	case b.rules.IsPresence(rule.Match):
		b.addPresence(rule, rule.Match)
	case b.rules.IsMember(rule.Match):
		b.addSubscribe(rule, b.rules.ClientDestination(rule.Match))
		b.addSend(rule, "It goes to the member that the address names, on all its sessions.")
	case b.rules.IsSession(rule.Match):
		b.addSubscribe(rule, rule.Match)
		b.addSend(rule, "It goes to the client's own session.")
	default:
		b.addSubscribe(rule, rule.Match)
		b.addSend(rule, "")
		if name := b.rules.PresenceOf(rule.Match); name != "" && rule.Channel.Presence != policy.PresenceNone {
			b.addPresence(rule, name)
		}
	}
}

// addSubscribe adds what clients may receive, under the name by which they call it.
func (b *builder) addSubscribe(rule policy.Outline, match string) {
	if rule.Subscribe.IsNobody() {
		return
	}
	c := b.at(match)
	c.describe(rule.Channel.Summary)
	b.carries(c, rule.Channel)
	if rule.Channel.From {
		c.tell("The header " + policy.HeaderMember + " of a MESSAGE says which member sent it, as the gateway knows it.")
	}
	if rule.Channel.Patterns {
		c.tell("Subscriptions by pattern are let in: * stands for a segment, ** for any number of them.")
	}
	if h := rule.Channel.History; h != (policy.History{}) {
		c.tell(fmt.Sprintf("The last %d messages are kept, each for %s: the headers resume and history of SUBSCRIBE ask for them.", h.Size, h.TTL))
	}
	c.does(receive, rule.Path, rule.Subscribe.Login, may("subscribe", rule.Subscribe))
}

// addSend adds what clients may send to a destination itself.
func (b *builder) addSend(rule policy.Outline, where string) {
	if rule.Send.IsNobody() {
		return
	}
	c := b.at(rule.Match)
	c.describe(rule.Channel.Summary)
	b.carries(c, rule.Channel)
	c.limit(rule.Channel)
	c.does(send, rule.Path, rule.Send.Login, may("send", rule.Send), where)
}

// carries tells what bodies have to be, unless another rule has told it of the address.
func (b *builder) carries(c *channel, rule *policy.Channel) {
	if len(c.message) == 1 {
		c.message = append(c.message, b.contents(c.id, rule)...)
	}
}

// contents is what the message of a channel says of bodies; a schema that has no place yet gets one that is called like id.
func (b *builder) contents(id string, rule *policy.Channel) (said object) {
	if rule == nil || rule.Schema == nil && len(rule.Examples) == 0 {
		return nil
	}
	said.set("contentType", "application/json")
	if rule.Schema != nil {
		said.set("payload", ref(b.place(id, rule.Schema)))
	}
	var examples []object
	for _, text := range rule.Examples {
		examples = append(examples, example(text)...)
	}
	if len(examples) > 0 {
		said.set("examples", examples)
	}
	return said
}

// place is where a schema stands in the document.
func (b *builder) place(id string, s *schema.Schema) string {
	at, ok := b.places[s]
	if !ok {
		name := "channel_" + id // which none of our own is called
		at = "components/schemas/" + name
		b.places[s] = at
		b.schemas.set(name, s.Document("#/"+at))
	}
	return at
}

// addRoute adds what clients may send to the application.
func (b *builder) addRoute(rule policy.Outline) {
	if rule.Send.IsNobody() {
		return
	}
	c := b.at(rule.Match)
	r := rule.Route
	says, goal := []string{may("send", rule.Send)}, "What a backend reads from "+r.To.String()
	if r.Publish != "" {
		says, goal = append(says, "The gateway publishes it to "+code(r.Publish)+"."), "What is published to "+r.Publish
	}
	into := b.rules.Into(r.Publish)
	if r.Body == "" {
		b.carries(c, into) // and else what clients send is for the expression to say
	}
	c.limit(into)
	if to := r.To.String(); to != "" {
		says = append(says, "A backend reads it from "+code(to)+", and may answer the session.")
		b.addBackend(c, r.To, into)
	}
	if r.Body != "" {
		says = append(says, "Its body becomes "+code(r.Body)+", in CEL.")
	}
	if r.Headers != "" {
		says = append(says, "Its headers become "+code(r.Headers)+", in CEL.")
	}
	c.describe(goal)
	c.does(send, rule.Path, rule.Send.Login, says...)
}

// addBackend adds what a backend reads of what is sent to c. What is published, too, is the same, so the channel of that says what it is.
func (b *builder) addBackend(c *channel, to policy.To, into *policy.Channel) {
	id := c.id
	if len(c.operations) > 0 { // by another rule whose match is the same as an address, and that may have a backend, and a schema, of its own
		id = unlike(id, b.ids)
		b.ids = append(b.ids, id)
	}
	message := append(object{{"name", "message"}, {"headers", ref("components/schemas/sender")}}, b.contents(id, into)...)
	subject, parameters := addressedSubject(to.Subject)
	said := object{{"address", cmp.Or(to.Topic, subject)}, {"summary", "What a backend reads from " + to.String()}}
	said.set("parameters", described(parameters))
	said.set("messages", object{{"message", message}})
	b.backends.set(id, said)
}

// addPresence adds what tells of the rooms of a rule, or of some of them.
func (b *builder) addPresence(rule policy.Outline, match string) {
	if rule.Subscribe.IsNobody() {
		return
	}
	b.hasPresence = true
	c := b.at(match)
	room, _ := addressed(b.rules.Room(match))
	c.describe("Who is subscribed to " + room)
	c.message = object{
		{"name", "presence"}, {"contentType", "application/json"}, {"payload", ref("components/schemas/presence")},
		{"examples", example(`{"type":"here","members":[{"member":42,"info":{"name":"Ann"}},{"member":"bob"}],"count":2,"anonymous":1}`)},
	}
	says := may("subscribe", rule.Subscribe)
	if rule.Match == match {
		says += " Besides, one has to be let in to " + code(room) + " itself."
	}
	c.does(receive, rule.Path, rule.Subscribe.Login, says)
}

func (c *channel) describe(summary string) {
	if c.summary == "" {
		c.summary = oneLine(summary)
	}
}

func (c *channel) tell(sentence string) {
	if !slices.Contains(c.more, sentence) {
		c.more = append(c.more, sentence)
	}
}

// limit tells how much a session may send of what goes to the channel of a rule, which may be nil.
func (c *channel) limit(rule *policy.Channel) {
	if rule == nil {
		return
	}
	if l := rule.Limits; l.Rate != (policy.Rate{}) {
		c.tell(fmt.Sprintf("A session may send %s to all of %s together.", l.Rate, rule.Match))
	}
	if l := rule.Limits; l.Message > 0 {
		c.tell(fmt.Sprintf("A body may have %s there.", settings.FormatSize(int64(l.Message))))
	}
}

// does notes what clients can do by a rule.
func (c *channel) does(action, rule string, login bool, says ...string) {
	if c.open && action == receive {
		return
	}
	says = slices.DeleteFunc(says, func(s string) bool { return s == "" })
	i := slices.IndexFunc(c.operations, func(op *operation) bool { return op.action == action })
	if i < 0 {
		c.operations = append(c.operations, &operation{action: action})
		i = len(c.operations) - 1
	} else {
		says = append([]string{"For other members, by " + rule + ":"}, says...) // clients call those alike
	}
	op := c.operations[i]
	op.says = append(op.says, says...)
	op.login = op.login || login
	if rule != "" {
		op.rules = append(op.rules, rule)
	}
}

// all are the channels and their operations, that for errors last.
func (b *builder) all() (channels, operations object) {
	if b.rules.ErrorDestination() != "" {
		b.channels = append(b.channels[1:], b.channels[0])
	}
	for _, c := range b.channels {
		said := object{{"address", c.address}}
		said.set("summary", c.summary)
		said.set("description", strings.Join(c.more, " "))
		said.set("parameters", described(c.parameters))
		said.set("messages", object{{"message", c.message}})
		channels.set(c.id, said)
		for _, op := range c.operations {
			operations.set(op.action+"_"+c.id, b.operation(c, op))
		}
	}
	return channels, operations
}

// described are parameters, each with what it stands for.
func described(parameters []parameter) (said object) {
	for _, p := range parameters {
		said.set(p.name, object{{"description", p.description}})
	}
	return said
}

func (b *builder) operation(c *channel, op *operation) object {
	said := object{{"action", op.action}, {"channel", ref("channels/" + c.id)}}
	said.set("summary", c.summary)
	said.set("description", strings.Join(op.says, " "))
	if op.login && b.tokens {
		said.set("security", security())
	}
	said.set("messages", []object{ref("channels/" + c.id + "/messages/message")})
	said.set("x-stompgw-rule", strings.Join(op.rules, ", "))
	return said
}

// may says who may do something.
func may(do string, who policy.Who) string {
	switch words := who.String(); {
	case words == who.Condition:
		return "Who may " + do + ": " + code(words) + ", in CEL."
	default:
		return strings.ToUpper(words[:1]) + words[1:] + " may " + do + "."
	}
}

// code is a text for people who read Markdown.
func code(text string) string { return "`" + oneLine(text) + "`" }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
