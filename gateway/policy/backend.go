package policy

import (
	"context"

	"cel.dev/cel-go/common/types"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway/destination"
)

// To says where a route sends a SEND in addition to its Publish, or instead of it: to a backend that reads the broker
// itself. The zero value means nowhere; otherwise it has a Topic, perhaps with a Key, or a Subject.
type To struct {
	Topic string `key:"topic" is:"Kafka topic that a backend reads"`
	// by which the partition is chosen
	Key     string `key:"key" is:"what keeps records in order: 'member', 'session', 'destination', or CEL for a text; empty means 'member'"`
	Subject string `key:"subject" is:"NATS subject that a backend reads; may use the variables of 'match'"`
}

// String is where the SEND goes, for people: "topic orders-in"; empty means nowhere.
func (t To) String() string {
	switch {
	case t.Topic != "":
		return "topic " + t.Topic
	case t.Subject != "":
		return "subject " + t.Subject
	}
	return ""
}

// The keys of a record that have a name. That of nobody's SEND is its session's, where the key is the member.
const (
	keyMember      = "member"
	keySession     = "session"
	keyDestination = "destination"
)

const maxKey = 1 << 10 // bytes of what an expression makes

// backend is where a route brings a SEND, as SENDs are judged by it.
type backend struct {
	topic   string
	key     string      // one of those with a name; empty for
	keyText *expression // what makes it
	subject subject
}

// compileTo checks where a route brings a SEND.
func (ru *rule) compileTo(c *compiler, said To) (err error) {
	switch {
	case said == To{}:
		return nil
	case said.Topic != "" && said.Subject != "":
		return ru.mistake(".to.subject", "stands beside a topic: a route goes to a topic of Kafka or to a subject of NATS")
	case said.Key != "" && said.Topic == "":
		return ru.mistake(".to.key", "has no topic: a record of Kafka has a key, and a subject of NATS keeps the order by itself")
	}
	b := &backend{topic: said.Topic}
	switch {
	case said.Topic == "":
		if b.subject, err = newSubject(said.Subject, &ru.match); err != nil {
			return ru.mistake(".to.subject", "%v", err)
		}
	case said.Key == "":
		b.key = keyMember
	case said.Key == keyMember || said.Key == keySession || said.Key == keyDestination:
		b.key = said.Key
	default:
		if b.keyText, err = c.compile(said.Key, ru.path+".to.key", &ru.match, (*expression).reviewKey); err != nil {
			return err
		}
	}
	ru.to = b
	return nil
}

// reviewKey checks that the expression makes what a key can be.
func (e *expression) reviewKey() []error {
	if t := e.ast.OutputType(); !isText(t) || t.Kind() == types.TypeParamKind {
		return e.whole("is " + typeName(t) + ": want member, session, destination, or a text, such as vars.room")
	}
	return nil
}

// Why a SEND can't go to a backend.
const errKey = reason("the key is no text of 1 to 1024 bytes")

// target is where a SEND goes that the route is about. The Key of a topic is empty where it is the sender's.
func (ru *rule) target(r *Request, b *destination.Bindings) (to bus.Target, refusal *Refusal) {
	if ru.to == nil {
		return to, nil
	}
	if ru.to.topic == "" {
		return bus.Target{Subject: ru.to.subject.expand(b)}, nil
	}
	to.Topic = ru.to.topic
	switch ru.to.key {
	case keySession:
		if r.From != nil {
			to.Key = r.From.Describe().Key
		}
	case keyDestination:
		to.Key = r.Destination
	case "":
		v, err := ru.to.keyText.evaluate(context.Background(), &frame{request: *r, match: &ru.match, bound: *b})
		if err != nil {
			return to, refusedBy(ru.path, CodeBody, err)
		}
		text, isText := v.(types.String)
		if !isText || text == "" || len(text) > maxKey {
			return to, refusedBy(ru.path, CodeBody, &unfit{ru.to.keyText, errKey})
		}
		to.Key = string(text)
	}
	return to, nil
}

// expression is what makes the key; there may be none.
func (b *backend) expression() *expression {
	if b == nil {
		return nil
	}
	return b.keyText
}

// Backend is the backend that a route sends to.
type Backend struct {
	Rule   string // such as "routes[0]"
	Target bus.Target
}

// Backends returns the backends of all routes. In a Subject, a part that holds a variable is "*".
func (c *Catalogue) Backends() (list []Backend) {
	for i := range c.routes {
		if to := c.routes[i].to; to != nil {
			list = append(list, Backend{c.routes[i].path, bus.Target{Topic: to.topic, Subject: to.subject.pattern()}})
		}
	}
	return list
}
