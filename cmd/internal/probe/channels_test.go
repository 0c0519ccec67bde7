package probe

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// channelRules are those of the tests of channels; they count on the numbers of lines.
const channelRules = `auth: {jwt: {secret_file: none}}
channels:
  - match: /topic/room.*
    subscribe: "true"
    history: {size: 100, ttl: 10m}
    presence: true
    summary: |
      A room,
      for all
  - match: /topic/{member}
    subscribe: >-
      string(claims.mu) == vars.member &&
      claims.ok
    patterns: true
  - {match: /presence/topic/room.1, subscribe: '"mu" in claims'}
  - {match: '/member/{m}/queue/{n}', subscribe: "true", send: "true"}
  - {match: /session/**, subscribe: "true"}
routes:
  - {match: '/app/{x}', allow: '"mu" in claims', publish: /topic/room.1, body: '{"a": text}'}
`

// TestChannelsList: the rules as they are asked, with nothing of the auth section needed.
func TestChannelsList(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", channelRules)
	code, stdout, stderr := run(t, "channels", "ls", "--config", "t.yaml", "-o", "wide")
	want := `RULE	MATCH	SUBSCRIBE	SEND	HISTORY	PRESENCE	SUMMARY	WHERE
channels[0]	/topic/room.*	everybody	nobody	100 for 10m0s	true	A room, for all	t.yaml:3
channels[1]	/topic/{member}	string(claims.mu) == vars.member && claims.ok	nobody	-	-		t.yaml:10
channels[2]	/presence/topic/room.1	"mu" in claims	nobody	-	-		t.yaml:15
channels[3]	/member/{m}/queue/{n}	whoever is logged in	everybody	-	-		t.yaml:16
channels[4]	/session/**	everybody	nobody	-	-		t.yaml:17
routes[0]	/app/{x}	-	"mu" in claims	-	-	goes to /topic/room.1, rewritten	t.yaml:19
`
	if code != 0 || stdout != want || stderr != "" {
		t.Errorf("exit code %d, %s got\n%swant\n%s", code, stderr, stdout, want)
	}
	code, stdout, _ = run(t, "channels", "list", "--config", "t.yaml", "-o", "name")
	if want := "/topic/room.*\n/topic/{member}\n/presence/topic/room.1\n/member/{m}/queue/{n}\n/session/**\n/app/{x}\n"; code != 0 || stdout != want {
		t.Errorf("exit code %d, got\n%swant\n%s", code, stdout, want)
	}
}

// TestChannelsJSON: programs get all that a rule says, under the keys of the file.
func TestChannelsJSON(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", channelRules)
	code, stdout, stderr := run(t, "channels", "list", "--config", "t.yaml", "-o", "json")
	var rules []map[string]any
	if err := json.Unmarshal([]byte(stdout), &rules); err != nil || code != 0 || len(rules) != 6 {
		t.Fatalf("exit code %d, %v, %s%s", code, err, stdout, stderr)
	}
	first, err := json.Marshal(rules[0])
	if want := `{"history":{"size":100,"ttl":"10m0s"},"match":"/topic/room.*","presence":"true","rule":"channels[0]","subscribe":"true","summary":"A room,\nfor all\n","where":"t.yaml:3"}`; err != nil || string(first) != want {
		t.Errorf("got %s\nwant %s", first, want)
	}
	if rules[1]["patterns"] != true || rules[5]["allow"] != `"mu" in claims` || rules[5]["publish"] != "/topic/room.1" {
		t.Errorf("got %v", rules)
	}
	_, stdout, _ = run(t, "channels", "show", "--config", "t.yaml", "-o", "json", "/presence/topic/room.1")
	var shown struct {
		Destination, Room string
		Rules             []map[string]any
	}
	if err := json.Unmarshal([]byte(stdout), &shown); err != nil || shown.Room != "/topic/room.1" || len(shown.Rules) != 2 || shown.Rules[1]["rule"] != "channels[2]" {
		t.Errorf("%v: %s", err, stdout)
	}
}

// TestChannelsShow: which rules decide, and what they say.
func TestChannelsShow(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", channelRules)
	const room = "RULE	channels[0], t.yaml:3\nMATCH	/topic/room.*\nSUBSCRIBE	everybody\nSEND	nobody\nSUMMARY	A room, for all\nHISTORY	size 100, ttl 10m0s\nPRESENCE	true\n"
	const member = "RULE	channels[1], t.yaml:10\nMATCH	/topic/{member}\nSUBSCRIBE	string(claims.mu) == vars.member && claims.ok\nSEND	nobody\nPATTERNS	true\n"
	for dest, want := range map[string]string{
		"/topic/room.1":          room,
		"/topic/7":               member,
		"/topic/*":               member,
		"/topic/{member}":        member,
		"/presence/topic/room.2": "TELLS OF	who is subscribed to /topic/room.2, to whom may subscribe to that\n" + room,
		"/presence/topic/room.1": "TELLS OF	who is subscribed to /topic/room.1, to whom may subscribe to that\n" + room +
			"RULE	channels[2], t.yaml:15\nMATCH	/presence/topic/room.1\nSUBSCRIBE	\"mu\" in claims\nSEND	nobody\n",
		"/member/42/queue/x": "RULE	channels[3], t.yaml:16\nMATCH	/member/{m}/queue/{n}\nSUBSCRIBE	whoever is logged in\nSEND	everybody\n",
		"/session/queue/request-error": "ERRORS	refusals go here: everybody may subscribe, whatever the rule says\n" +
			"RULE	channels[4], t.yaml:17\nMATCH	/session/**\nSUBSCRIBE	everybody\nSEND	nobody\n",
		"/session/*": "REFUSED	the rule lets in no subscription by pattern\nRULE	channels[4], t.yaml:17\nMATCH	/session/**\nSUBSCRIBE	everybody\nSEND	nobody\n",
		"/app/a":     "RULE	routes[0], t.yaml:19\nMATCH	/app/{x}\nSEND	\"mu\" in claims\nPUBLISH	/topic/room.1\nBODY	{\"a\": text}\n",
	} {
		code, stdout, stderr := run(t, "channels", "show", "--config", "t.yaml", dest)
		if want = "DESTINATION	" + dest + "\n" + want; code != 0 || stdout != want {
			t.Errorf("%s: exit code %d, %s got\n%swant\n%s", dest, code, stderr, stdout, want)
		}
	}
	clitest.WriteFile(t, "carries.yaml", `channels:
  - match: /topic/a
    send: "true"
    schema: {type: object, required: [chat]}
    examples: [{chat: hello}, {chat: "5"}]
    limits: {rate: 5/s, burst: 10}
routes: [{match: /app/a, allow: "true", publish: /topic/a, to: {topic: orders-in}}]
`)
	for dest, want := range map[string]string{
		"/topic/a": "SCHEMA	{\"required\":[\"chat\"],\"type\":\"object\"}\nEXAMPLES	[{\"chat\":\"hello\"},{\"chat\":\"5\"}]\nLIMITS	rate 5/s, burst 10\n",
		"/app/a":   "PUBLISH	/topic/a\nTO	topic orders-in\n",
	} {
		if code, stdout, stderr := run(t, "channels", "show", "--config", "carries.yaml", dest); code != 0 || !strings.HasSuffix(stdout, want) {
			t.Errorf("%s: exit code %d, %s got\n%swant at its end\n%s", dest, code, stderr, stdout, want)
		}
	}
	if _, stdout, _ := run(t, "channels", "show", "--config", "t.yaml", "-o", "name", "/topic/room.1"); strings.TrimSpace(stdout) != "/topic/room.*" {
		t.Errorf("its name is %s", stdout)
	}
}
