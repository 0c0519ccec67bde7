package policy

import (
	"fmt"

	"github.com/stompgw/stompgw/gateway/schema"
)

// Contents is what the bodies of messages to a channel must be. Every body fits nil, which stands for a channel without
// a schema. Any goroutine may use it.
type Contents struct {
	schema *schema.Schema
	path   string // of the setting, such as "channels[2].schema"
	rule   string
}

// Schema is the schema that bodies must fit.
func (c *Contents) Schema() *schema.Schema {
	if c == nil {
		return nil
	}
	return c.schema
}

// Check returns why a body is refused, nil if it is not. It may take a tenth of a second.
func (c *Contents) Check(body []byte) *Refusal { return c.check(body, schema.AllSteps) }

// Glance is Check within the time that an event loop has. decided is false if that is not enough.
func (c *Contents) Glance(body []byte) (r *Refusal, decided bool) {
	r = c.check(body, schema.FewSteps)
	if r != nil && r.Fault.Rule == schema.RuleCost {
		return nil, false
	}
	return r, true
}

func (c *Contents) check(body []byte, steps int) *Refusal {
	if c == nil {
		return nil
	}
	fault := c.schema.Check(body, steps)
	if fault == nil {
		return nil
	}
	r := refusedBy(c.rule, CodeSchema, fmt.Errorf("%s: %w", c.path, fault))
	r.Fault = fault
	return r
}

// compileContents takes the schema of a channel, and holds its examples to it.
func (ru *rule) compileContents(said Channel) error {
	if said.Schema == nil {
		return nil
	}
	ru.contents = &Contents{schema: said.Schema, path: ru.path + ".schema", rule: ru.path}
	for i, example := range said.Examples {
		if f := said.Schema.Check([]byte(example), schema.AllSteps); f != nil {
			return ru.mistake(fmt.Sprintf(".examples[%d]", i), "does not fit the schema: at %q, by %s", f.Pointer, f.Error())
		}
	}
	return nil
}
