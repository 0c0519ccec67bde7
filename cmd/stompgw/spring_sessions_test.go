package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
)

// view is what one side sees of the sessions of all nodes, as "MEMBER PRINCIPAL" by key.
type view map[string]string

// see adds a session; member is JSON.
func (v view) see(key, member, principal string) { v[key] = member + " " + principal }

// testSessions: each side sees the sessions of the other, with their members, and those that end are
// gone from both.
func (s *sides) testSessions(t *testing.T) {
	want, stay := make(view), make(view)
	var ending []*webClient
	for _, addr := range s.web {
		anonymous, member := connectWeb(t, addr, "Authorization", "Bearer aa"), connectWeb(t, addr, "Authorization", "Bearer "+s.token)
		want.see(anonymous.session, "null", anonymous.principal)
		want.see(member.session, "42", member.principal)
		stay.see(anonymous.session, "null", anonymous.principal)
		ending = append(ending, member)
	}
	s.awaitViews(t, want)
	for _, c := range ending {
		c.send(t, "DISCONNECT", "")
	}
	s.awaitViews(t, stay)
}

// testDeath: the sessions of a node that is killed are gone from the other side's view when their time
// is over. No node of the second kind is left then.
func (s *sides) testDeath(t *testing.T) {
	clients := s.connect(t, chatRoom)
	want := make(view)
	for _, c := range clients {
		want.see(c.session, "null", c.principal)
	}
	s.awaitViews(t, want)
	s.nodes[1].Kill()
	delete(want, clients[2].session)
	s.awaitViews(t, want)
	s.spring.Kill()
	delete(want, clients[0].session)
	awaitView(t, "stompgw", s.nodeView, want)
}

// awaitViews waits until both sides see exactly these sessions.
func (s *sides) awaitViews(t *testing.T, want view) {
	t.Helper()
	awaitView(t, "the Spring node", s.springView, want)
	awaitView(t, "stompgw", s.nodeView, want)
}

func awaitView(t *testing.T, who string, see func(*testing.T) view, want view) {
	t.Helper()
	var got view
	defer func() {
		if t.Failed() {
			t.Logf("%s sees %v last, want %v", who, got, want)
		}
	}()
	bustest.Eventually(t, who+" sees all sessions and no others", func() bool {
		got = see(t)
		return maps.Equal(got, want)
	})
}

// springView asks the Spring node, which fails if it finds anything but sessions among their keys.
func (s *sides) springView(t *testing.T) view {
	t.Helper()
	resp, err := http.Get("http://" + s.spring.Addr + "/sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("/sessions: %s, %v\n%s\n%s", resp.Status, err, text, s.spring.Output())
	}
	var sessions map[string]struct {
		ConnectDatetime, PrincipalUserName string
		ServerUUID                         string `json:"serverUuid"`
		MemberUID                          json.RawMessage
	}
	if err := json.Unmarshal(text, &sessions); err != nil {
		t.Fatalf("/sessions: %v\n%s", err, text)
	}
	v := make(view)
	for key, session := range sessions {
		id, ok := strings.CutPrefix(key, session.ServerUUID+"_")
		if want := session.ServerUUID + "/" + id + "/" + session.ConnectDatetime; !ok || session.PrincipalUserName != want {
			t.Fatalf("%s has the value %+v, want the principal %s", key, session, want)
		}
		v.see(key, string(session.MemberUID), session.PrincipalUserName)
	}
	return v
}

// nodeView asks the command line.
func (s *sides) nodeView(t *testing.T) view {
	t.Helper()
	text := s.nodes[0].cli(t, "sessions", "list", "-o", "json")
	var sessions []struct {
		Key, Principal string
		Member         json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &sessions); err != nil {
		t.Fatalf("sessions list: %v\n%s", err, text)
	}
	v := make(view)
	for _, session := range sessions {
		v.see(session.Key, string(session.Member), session.Principal)
	}
	return v
}
