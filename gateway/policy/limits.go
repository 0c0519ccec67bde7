package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/stompgw/stompgw/bus/settings"
)

// Limit is how often clients may SEND. The zero value sets no limit.
type Limit struct {
	Rate  Rate
	Burst int  // how many may come at once; 0 means one second's worth of the rate, at least 1
	Over  Over // what happens beyond the limit
}

// Limits are what each session may SEND to all destinations of a channel together. What a route makes of a SEND counts
// for the channel that it goes to. The zero value sets no limits.
type Limits struct {
	Rate    Rate          `key:"rate" is:"SENDs of one session to everything the rule matches: '5/s', '300/m' or '1000/h'; empty means no limit"`
	Burst   int           `key:"burst" is:"how many may come at once; 0 means one second's worth of the rate"`
	Message settings.Size `key:"message" is:"largest body of a message, up to 'limits.message'; 0B means the same as that"`
	Over    Over          `key:"over" is:"what happens beyond the limit: 'refuse', 'drop' without telling the client, or 'close' the session"`
}

// Over is what happens to a SEND that is over a limit.
type Over uint8

const (
	OverRefuse Over = iota // the client is told CodeRate
	OverDrop               // it is dropped, and counted; but if the client awaits an answer, it is refused
	OverClose              // an ERROR ends the session
)

// String is the word in settings: "refuse", "drop" or "close".
func (o Over) String() string {
	switch o {
	case OverDrop:
		return "drop"
	case OverClose:
		return "close"
	}
	return "refuse"
}

// UnmarshalText accepts the word in settings.
func (o *Over) UnmarshalText(text []byte) error {
	for _, is := range []Over{OverRefuse, OverDrop, OverClose} {
		if string(text) == is.String() {
			*o = is
			return nil
		}
	}
	return fmt.Errorf("%.20q is none of refuse, drop, close", text)
}

// Scope is whose SENDs a limit counts.
type Scope uint8

const (
	OfChannel Scope = iota // those of a session to a channel
	OfSession              // all of a session
	OfNode                 // those of all sessions of a node
	Scopes                 // the number of scopes
)

// String is the word in metrics: "channel", "session" or "node".
func (s Scope) String() string {
	switch s {
	case OfSession:
		return "session"
	case OfNode:
		return "node"
	}
	return "channel"
}

// Quota is a limit in force. It never changes. A Catalogue that replaces another has its own, and those of the same Name
// take over what the others have counted.
type Quota struct {
	Limit   // with the effective Burst; a zero Rate is no limit
	Name    string
	Scope   Scope
	Message int    // bytes of a body; 0 means any number
	rule    string // such as "channels[2]"; empty for none
	section string // that says it, such as "limits.node"
}

// PerSession is the limit on all SENDs of each session, whatever happens to them; nil for none.
func (c *Catalogue) PerSession() *Quota { return c.perSession }

// PerNode is the limit on the SENDs of all sessions of a node together; nil for none.
func (c *Catalogue) PerNode() *Quota { return c.perNode }

// Fits returns nil if a message with a body of n bytes may be sent, else the refusal. A nil Quota allows any size.
func (q *Quota) Fits(n int) *Refusal {
	if q == nil || q.Message == 0 || n <= q.Message {
		return nil
	}
	return refusedBy(q.rule, CodeTooLarge, reason(fmt.Sprintf("%s.message is %s", q.section, settings.FormatSize(int64(q.Message)))))
}

// Exceeded returns the refusal of a SEND that would pass after wait.
func (q *Quota) Exceeded(wait time.Duration) *Refusal {
	r := refusedBy(q.rule, CodeRate, reason(fmt.Sprintf("%s.rate is %s, burst %d", q.section, q.Rate, q.Burst)))
	r.RetryAfter = wait
	return r
}

// String describes the limit for people: "5/s, burst 10, drop, message 4KiB".
func (q *Quota) String() string {
	var parts []string
	if q.Rate != (Rate{}) {
		parts = append(parts, q.Rate.String(), fmt.Sprintf("burst %d", q.Burst))
	}
	if q.Over != OverRefuse {
		parts = append(parts, q.Over.String())
	}
	if q.Message > 0 {
		parts = append(parts, "message "+settings.FormatSize(int64(q.Message)))
	}
	return strings.Join(parts, ", ")
}

// compileLimits makes the quotas of all that a session sends, and of all that a node takes in.
func (c *Catalogue) compileLimits(session, node Limit) (err error) {
	if node.Over != OverRefuse {
		return &RuleError{Path: "limits.node.over", Reason: "leave it out: a node refuses, as whoever sends to it then need not be the one who sends too much"}
	}
	if c.perSession, err = newQuota(session, Quota{Scope: OfSession, section: "limits"}); err != nil {
		return err
	}
	c.perNode, err = newQuota(node, Quota{Scope: OfNode, section: "limits.node"})
	return err
}

// newQuota returns made with a limit, nil where that is none.
func newQuota(l Limit, made Quota) (q *Quota, err error) {
	if l == (Limit{}) {
		return nil, nil
	}
	made.Limit, err = l.check(made.section)
	return &made, err
}

// compileLimits makes the quota of what a session sends to a channel.
func (ru *rule) compileLimits(said Limits, c *Catalogue) (err error) {
	if said == (Limits{}) {
		return nil
	}
	q := &Quota{Name: ru.outline.Match, Scope: OfChannel, Message: int(said.Message), rule: ru.path, section: ru.path + ".limits"}
	switch {
	case ru.views:
		return ru.mistake(".limits", errPresence+": leave it out", q.Name, c.prefixes.Presence)
	case said.Message < 0:
		return ru.mistake(".limits.message", "%d is not possible: want a size such as 4KiB, or leave it out", said.Message)
	}
	if q.Limit, err = (Limit{said.Rate, said.Burst, said.Over}).check(q.section); err != nil {
		return err
	}
	ru.quota = q
	return nil
}

// check returns a limit with its Burst as it counts, or what is wrong with it.
func (l Limit) check(section string) (Limit, error) {
	mistake := func(field, format string, args ...any) (Limit, error) {
		return Limit{}, &RuleError{Path: section + "." + field, Reason: fmt.Sprintf(format, args...)}
	}
	const alone = "is for a rate, and there is none: write rate: 5/s beside it, or leave it out"
	switch {
	case l.Burst < 0 || l.Burst > maxTimes:
		return mistake("burst", "%d is not possible: want 1 to %d, or 0 for what the rate gives in a second", l.Burst, maxTimes)
	case l.Rate == (Rate{}) && l.Burst > 0:
		return mistake("burst", alone)
	case l.Rate == (Rate{}) && l.Over != OverRefuse:
		return mistake("over", alone)
	case l.Rate == (Rate{}):
		return l, nil
	}
	if err := l.Rate.check(); err != nil {
		return mistake("rate", "%v", err)
	}
	if l.Burst == 0 {
		l.Burst = l.Rate.inSecond()
	}
	return l, nil
}
