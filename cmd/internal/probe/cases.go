package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/cmd/internal/config"
	"github.com/stompgw/stompgw/gateway/policy"
)

// maxCases bounds a file of cases, in bytes: ten thousand take some 2 MiB.
const maxCases = 8 * config.MiB

// casesFile is what policy test --cases reads.
type casesFile struct {
	Cases []policyCase `key:"cases"`
}

// policyCase is a frame, and what the rules should make of it.
type policyCase struct {
	Name        string     `key:"name"`                        // for people
	Token       string     `key:"token"`                       // of the frame, perhaps behind "Bearer"
	Claims      config.Any `key:"claims"`                      // instead: an object, with those of a valid token
	Command     string     `key:"command" required:"true"`     // SUBSCRIBE or SEND
	Destination string     `key:"destination" required:"true"` // as the client says it
	Headers     config.Any `key:"headers"`                     // an object of texts
	Body        config.Any `key:"body"`                        // a text; anything else is sent as JSON
	Expect      string     `key:"expect" required:"true"`      // allow, deny, or the word of a code
	Rule        string     `key:"rule"`                        // that decides: its match, or such as "channels[2]"
	Becomes     becomes    `key:"becomes"`                     // where the frame may pass

	path, where string // such as "cases[3]" and "rules_test.yaml:14"
}

// becomes is where a frame goes, and what a route makes of it. What is not said may be anything.
type becomes struct {
	Destination string     `key:"destination"` // on the bus
	Body        config.Any `key:"body"`        // a text, letter by letter; anything else is JSON that means the same
	Headers     config.Any `key:"headers"`     // some of them: an object of texts, null for one that is not there
}

// What a case may expect beside the words of codes.
const (
	allow = "allow"
	deny  = "deny" // with whatever code
)

// readCases reads and checks a file of cases. Errors are of type *config.Error, joined when there are several.
func readCases(name string) ([]policyCase, error) {
	var f casesFile
	where, err := config.ReadYAML(name, maxCases, &f)
	if err != nil {
		return nil, err
	}
	if len(f.Cases) == 0 {
		return nil, &config.Error{Where: where("cases"), Key: "cases", Reason: "there is none: want some, each with a command, a destination and what to expect"}
	}
	var errs []error
	for i := range f.Cases {
		c := &f.Cases[i]
		c.path = fmt.Sprintf("cases[%d]", i)
		c.where = where(c.path)
		c.Command = strings.ToUpper(c.Command)
		c.check(func(key, format string, args ...any) {
			path := c.path + "." + key
			errs = append(errs, &config.Error{Where: where(path), Key: path, Reason: fmt.Sprintf(format, args...)})
		})
	}
	return f.Cases, errors.Join(errs...)
}

// check tells what can't be meant.
func (c *policyCase) check(mistake func(key, format string, args ...any)) {
	switch {
	case c.Command != subscribe && c.Command != send:
		mistake("command", "%q is neither %s nor %s, which are all that rules are about", c.Command, subscribe, send)
	case c.Command == subscribe && c.Body != nil:
		mistake("body", "a SUBSCRIBE has none: leave it out")
	case c.Command == subscribe && c.Becomes.Body != nil:
		mistake("becomes.body", "a SUBSCRIBE has none: leave it out")
	case c.Command == subscribe && c.Becomes.Headers != nil:
		mistake("becomes.headers", "what a SUBSCRIBE becomes has none: leave them out")
	}
	if words := append([]string{allow, deny}, words()...); !slices.Contains(words, c.Expect) {
		mistake("expect", "%q is neither allow, nor deny, nor the word of a code, such as %s: `stompgw explain` lists them", c.Expect, policy.Refuse(policy.CodeNotAllowed).Word)
	}
	if c.Expect != allow && c.wantsMessage() {
		mistake("becomes", "a frame that is refused becomes nothing: leave it out, or expect allow")
	}
	if c.Token != "" && c.Claims != nil {
		mistake("claims", "a frame has one bearer: leave the claims out, or the token")
	}
	if _, err := textsOf(c.Headers, false); err != nil {
		mistake("headers", "%v", err)
	}
	if _, err := textsOf(c.Becomes.Headers, true); err != nil {
		mistake("becomes.headers", "%v", err)
	}
}

// wantsMessage reports whether the case says what the frame becomes.
func (c *policyCase) wantsMessage() bool {
	b := &c.Becomes
	return b.Destination != "" || b.Body != nil || b.Headers != nil
}

// title is what the case is called.
func (c *policyCase) title() string {
	frame := c.Command + " " + c.Destination
	if c.Name == "" {
		return frame
	}
	return c.Name + " (" + frame + ")"
}

// words are those of all codes.
func words() (list []string) {
	for _, e := range policy.Codes() {
		list = append(list, e.Word)
	}
	return list
}

// textsOf reads an object of texts, or nil; perhaps with nulls, which are nil. Numbers and truths are texts as they are written.
func textsOf(a config.Any, nulls bool) (map[string]*string, error) {
	if a == nil {
		return nil, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(a, &object) != nil {
		return nil, errors.New("want names with texts, such as {x-room: a}")
	}
	texts := map[string]*string{}
	for name, value := range object {
		text := asText(value)
		switch {
		case string(value) == "null" && nulls:
			texts[name] = nil
		case value[0] == '{' || value[0] == '[' || string(value) == "null":
			return nil, fmt.Errorf("%s is no text", name)
		default:
			texts[name] = &text
		}
	}
	return texts, nil
}

// asText is a text that stands in JSON, or else the JSON.
func asText(value []byte) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return text
	}
	return string(value)
}

// headerList is a frame's headers, in the order of their names.
func headerList(texts map[string]*string) (list []bus.Header) {
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, bus.Header{Name: name, Value: *texts[name]})
	}
	return list
}
