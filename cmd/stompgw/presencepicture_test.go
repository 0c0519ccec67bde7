package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// picture is what somebody knows of a room who looks at it, by what he was told.
type picture struct {
	members          map[string]string // what is shown of each, by his id as JSON
	count, anonymous int
	whole            bool // that is so now, as far as he was told
	refused          bool // he was told that there are too many to be listed
	last             []string
}

// lastTold is how many MESSAGEs are kept for a failure to print.
const lastTold = 40

// take takes the body of a MESSAGE. It fails on what makes no sense after what came before: who was there joins, who was not there leaves or
// changes, or the number is not that of the list.
func (p *picture) take(body string) error {
	if p.last = append(p.last, body); len(p.last) > lastTold {
		p.last = p.last[1:]
	}
	var told struct {
		Type    string
		Members []struct{ Member, Info json.RawMessage }
		Count, Anonymous,
		Part, Parts int
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		return err
	}
	switch told.Type {
	case "paused":
		p.whole = false
		return nil
	case "here":
		if told.Part <= 1 {
			p.members = map[string]string{}
		}
		p.whole = told.Part == told.Parts
	case "count":
		p.whole = p.whole || p.members == nil
	}
	p.count, p.anonymous = told.Count, told.Anonymous
	for _, m := range told.Members {
		member := string(m.Member)
		if _, here := p.members[member]; here != (told.Type == "left" || told.Type == "changed") {
			return fmt.Errorf("%s %s, who was there: %v", member, told.Type, here)
		}
		if told.Type == "left" {
			delete(p.members, member)
		} else {
			p.members[member] = string(m.Info)
		}
	}
	if p.whole && p.members != nil && len(p.members) != p.count {
		return fmt.Errorf("the list has %d, and the number is %d", len(p.members), p.count)
	}
	return nil
}

// differs says what in the picture is not so, of a room that is only counted or else lists so many. A picture without a list has numbers alone.
func (p *picture) differs(truth *roll, counted bool, limit int) string {
	n := len(truth.members)
	switch {
	case p.refused && n <= limit-limit/10: // who is refused may look again when there are so few
		return fmt.Sprintf("refused with %d there", n)
	case p.refused:
		return ""
	case !p.whole:
		return "the picture is not whole"
	case p.anonymous != truth.anonymous:
		return fmt.Sprintf("%d anonymous; want %d", p.anonymous, truth.anonymous)
	case counted, p.members == nil && p.count != n && n > limit-limit/10: // where one node has too many, all are only counted
		n = len(truth.stays)
	case p.members != nil && n > limit:
		return fmt.Sprintf("listed with %d there", n)
	}
	if p.count != n {
		return fmt.Sprintf("%d are counted; want %d", p.count, n)
	}
	if p.members == nil {
		return ""
	}
	for member, infos := range truth.members {
		if info, here := p.members[member]; !here || infos[info] == 0 {
			return fmt.Sprintf("%s is there: %v, shown as %s; want one of %v", member, here, info, slices.Collect(maps.Keys(infos)))
		}
	}
	return ""
}

func TestPicture(t *testing.T) {
	const here = `{"type":"here","members":[{"member":1,"info":"a"},{"member":"1","info":"b"}],"count":2}`
	for _, test := range []struct {
		name, told string
		whole      bool
		fails      bool
	}{
		{"all", here, true, false},
		{"in parts", `{"type":"here","members":[{"member":1}],"count":2,"part":1,"parts":2}`, false, false},
		{"both parts", `{"type":"here","members":[{"member":1}],"count":2,"part":1,"parts":2} {"type":"here","members":[{"member":2}],"count":2,"part":2,"parts":2}`, true, false},
		{"comes and goes", here + ` {"type":"joined","members":[{"member":2}],"count":3} {"type":"left","members":[{"member":2}],"count":2}`, true, false},
		{"joins twice", here + ` {"type":"joined","members":[{"member":1}],"count":2}`, true, true},
		{"leaves twice", here + ` {"type":"left","members":[{"member":1}],"count":1} {"type":"left","members":[{"member":1}],"count":1}`, true, true},
		{"nobody changes", here + ` {"type":"changed","members":[{"member":2}],"count":3}`, true, true},
		{"wrong number", `{"type":"here","members":[],"count":1}`, true, true},
		{"paused", here + ` {"type":"paused"}`, false, false},
		{"numbers", `{"type":"count","count":1,"anonymous":0}`, true, false},
		{"numbers again", `{"type":"paused"} {"type":"count","count":1,"anonymous":0}`, true, false},
	} {
		p, failed := &picture{}, false
		for d := json.NewDecoder(strings.NewReader(test.told)); d.More(); {
			var body json.RawMessage
			if err := d.Decode(&body); err != nil {
				t.Fatal(err)
			}
			failed = p.take(string(body)) != nil
		}
		if failed != test.fails || p.whole != test.whole {
			t.Errorf("%s: fails %v, whole %v", test.name, failed, p.whole)
		}
	}
}
