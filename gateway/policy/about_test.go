package policy

import (
	"strings"
	"testing"
)

// TestShowsSender: the channel that is about a destination says whether its subscribers see who sends, however that comes there.
func TestShowsSender(t *testing.T) {
	c := mustNew(t, Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{
		{Match: "/topic/plain", Send: "true"},
		{Match: "/topic/{room}", Send: "true", From: true},
		{Match: "/member/{member}/queue/{x}", Send: "true", From: true},
		{Match: "/presence/topic/{room}"},
	}, Routes: []Route{
		{Match: "/app/to/{room}", Allow: "true", Publish: "/topic/{room}"},
		{Match: "/app/member/{member}", Allow: "true", Publish: "/member/{member}/queue/x"},
		{Match: "/app/out", Allow: "true", Publish: "/elsewhere"},
	}})
	for name, want := range map[string]bool{
		"/topic/a": true, "/topic/plain": false, "/topic/a/b": false, "/member/42/queue/x": true, "/member/%41/queue/x": false,
		"/member/queue/x": false, "/presence/topic/a": false, "/elsewhere": false, "": false,
	} {
		if got := c.ShowsSender(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for name, want := range map[string]bool{
		"/topic/a": true, "/topic/plain": false, "/member/42/queue/x": true, "/app/to/a": true, "/app/to/plain": false, "/app/member/42": true, "/app/out": false,
	} {
		if to, refusal := c.JudgeSend(&Request{Destination: name}); refusal != nil || to.From != want {
			t.Errorf("SEND %s: %+v, %v", name, to, refusal)
		}
	}
	if catalogue(t).ShowsSender("/topic/a") {
		t.Error("rules without from show who sends")
	}
	_, err := New(Rules{Prefixes: DefaultPrefixes(), Channels: []Channel{{Match: "/presence/topic/{room}", From: true}}})
	if err == nil || !strings.Contains(err.Error(), "channels[0].from") {
		t.Errorf("from of what tells who is present: %v", err)
	}
}
