package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

const (
	springProject = "../../testdata/spring"

	chatRoom     = "/topic/test-channel"
	membersRoom  = "/topic/members" // for those who have logged in
	privateQueue = "/session/queue/private"
	errorsQueue  = "/session/queue/request-error"
)

// TestSpring runs a node of the replaced system beside two of stompgw, on one Kafka and one Redis, and
// has clients of each hear clients of the others and each see the others' sessions.
func TestSpring(t *testing.T) {
	t.Parallel()
	s := startSides(t)
	t.Run("client", s.testClient)
	t.Run("broadcast", s.testBroadcast)
	t.Run("record", s.testRecord)
	t.Run("individual", s.testIndividual)
	t.Run("sessions", s.testSessions)
	t.Run("death", s.testDeath)
}

// sides are the nodes of both kinds.
type sides struct {
	spring *servers.Process
	nodes  []*node
	web    []string // where clients of the nodes connect, the Spring node first
	token  string   // of member 42
}

func startSides(t *testing.T) *sides {
	t.Helper()
	const untold = "1h" // longer than any test waits: a session of that node vanishes when the node says so, or never
	kafka, redis := shared.Kafka(t).Addr, servers.Redis(t).Addr
	env := []string{"STOMPGW_BUS_KAFKA_BROKERS=" + kafka, "STOMPGW_REDIS_ADDRS=" + redis, secretEnv}
	config := springConfig(t)

	var s sides
	var web []string
	for _, expiry := range []string{untold, "4s"} { // they make the topic
		listen := freeAddr(t)
		s.nodes = append(s.nodes, serve(t, config, append(env, "STOMPGW_LISTEN="+listen, "STOMPGW_REGISTRY_HEARTBEAT=500ms", "STOMPGW_REGISTRY_EXPIRY="+expiry)...))
		web = append(web, listen)
	}
	s.spring = servers.Spring(t, springProject, kafka, redis, "--sample.jwt-secret="+secret, "--sample.heartbeat=500", "--sample.expiry=4000")
	s.web = append([]string{s.spring.Addr}, web...)
	s.token = strings.TrimSpace(s.nodes[0].cli(t, "token", "gen", "--member", "42"))
	return &s
}

// springConfig returns the preset for the replaced system with one more channel, which the preset has
// no example of.
func springConfig(t *testing.T) (file string) {
	t.Helper()
	text, err := os.ReadFile("../../configs/spring.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const channels = "\nchannels:\n"
	const more = channels + "  - { match: " + membersRoom + ", subscribe: \"session.member != null\" }\n"
	if n := strings.Count(string(text), channels); n != 1 {
		t.Fatalf("%d lists of channels in the preset", n)
	}
	return clitest.WriteFile(t, filepath.Join(t.TempDir(), "spring.yaml"), strings.Replace(string(text), channels, more, 1))
}

// testClient: the Java client does the same with nodes of both kinds.
func (s *sides) testClient(t *testing.T) {
	var urls []string
	for _, addr := range s.web {
		urls = append(urls, "http://"+addr+"/stomp")
	}
	out := servers.SpringClient(t, springProject, urls...)
	if got, want := strings.Count(out, ": passed: "), 3*len(urls); got != want {
		t.Errorf("%d transports passed, want %d:\n%s", got, want, out)
	}
}

// testBroadcast: what a client of any node sends to the application reaches the clients of all nodes.
func (s *sides) testBroadcast(t *testing.T) {
	clients := s.connect(t, chatRoom)
	for i, from := range clients {
		text := fmt.Sprintf("from node %d", i)
		want := fmt.Sprintf(`{"content":%q}`, text)
		if i == 0 {
			want = fmt.Sprintf(`{"content":"Spring: {inputVo.chat : %s}"}`, text)
		}
		from.send(t, "SEND", fmt.Sprintf(`{"chat":%q}`, text), "destination", "/app"+chatRoom, "client-request-code", "SEND")
		for _, to := range clients {
			to.wantMessage(t, chatRoom, want)
		}
	}
}

// testRecord: a record of a Spring service, without a key and with the headers of Spring's
// serializer, reaches the clients of all nodes.
func (s *sides) testRecord(t *testing.T) {
	const pattern, body = "/topic/p/*", `{"text":"ä 안녕 \"\\"}`
	clients := s.connect(t, pattern)
	s.post(t, "", "/topic/p/a", body)
	for _, c := range clients {
		c.wantMessage(t, "/topic/p/a", body)
	}
}

// testIndividual: what either kind of node sends to one session reaches that one alone.
func (s *sides) testIndividual(t *testing.T) {
	clients := s.connect(t, privateQueue)
	for i, to := range clients {
		fromSpring, fromNode := fmt.Sprintf("from Spring to node %d", i), fmt.Sprintf("from stompgw to node %d", i)
		s.post(t, to.principal, privateQueue, fromSpring) // either form of the destination will do
		to.wantMessage(t, privateQueue, fromSpring)
		s.nodes[0].cli(t, "publish", "/queue/private", fromNode, "--session", to.session)
		to.wantMessage(t, privateQueue, fromNode)
	}
	for _, c := range clients { // nothing else has come before the answer to this
		c.settle(t)
	}
}

// post has the Spring node write a record; principal is empty for a message to all.
func (s *sides) post(t *testing.T, principal, destination, body string) {
	t.Helper()
	envelope := map[string]any{"principalName": nil, "destination": destination, "messageJsonString": body}
	if principal != "" {
		envelope["principalName"] = principal
	}
	text, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post("http://"+s.spring.Addr+"/messages", "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("/messages: %s", resp.Status)
	}
}
