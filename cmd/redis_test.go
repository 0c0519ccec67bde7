package cmd

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

// TestRedisUsers: with a user of admin/README.md, Redis refuses nothing to a node and the tools, in either layout. What they
// really send is what config check --connect tries; Redis counts the commands.
func TestRedisUsers(t *testing.T) {
	readme, err := os.ReadFile("../admin/README.md")
	if err != nil {
		t.Fatal(err)
	}
	users := regexp.MustCompile(`(?m)^ACL SETUSER stompgw .*$`).FindAllString(string(readme), -1)
	if len(users) != 2 {
		t.Fatalf("admin/README.md has the users %q, want one for each layout", users)
	}
	for i, prefix := range []string{"stompgw:", ""} {
		layout := []redisregistry.Layout{redisregistry.Hashes, redisregistry.Keys}[i]
		t.Run(string(layout), func(t *testing.T) {
			clitest.TokenFiles(t)
			clitest.WriteFile(t, "password", "PASSWORD")
			server := servers.Redis(t)
			sent := func() (commands []string) {
				stats := servers.RedisCLI(t, server, "INFO", "commandstats")
				for _, command := range regexp.MustCompile(`cmdstat_([a-z]+)`).FindAllStringSubmatch(stats, -1) {
					commands = append(commands, command[1])
				}
				return commands
			}
			servers.RedisCLI(t, server, strings.Fields(users[i])...)
			servers.RedisCLI(t, server, "CONFIG", "RESETSTAT")
			useRedis(t, fmt.Sprintf("{addrs: ['%s'], user: stompgw, password_file: password, prefix: '%s'}", server.Addr, prefix), layout)
			byNode := sent()
			servers.RedisCLI(t, server, "CONFIG", "RESETSTAT")
			if code, stdout, _ := run(t, "config", "check", "--connect", "--config", "t.yaml"); code != 0 {
				t.Fatalf("config check ends with %d: %s", code, stdout)
			}
			if refused := servers.RedisCLI(t, server, "ACL", "LOG"); strings.TrimSpace(refused) != "" {
				t.Errorf("%s: Redis refused\n%s", users[i], refused)
			}
			tried := append(sent(), "unsubscribe", "command") // what go-redis sends by itself
			for _, command := range byNode {
				if !slices.Contains(tried, command) {
					t.Errorf("config check --connect does not try %s", strings.ToUpper(command))
				}
			}
			if len(byNode) < 15 {
				t.Errorf("a node sent but %q", byNode)
			}
		})
	}
}

// useRedis runs a node on a Redis, and each command that asks it something.
func useRedis(t *testing.T, redis string, layout redisregistry.Layout) {
	t.Helper()
	clitest.WriteFile(t, "t.yaml", fmt.Sprintf("listen: 127.0.0.1:0\nadmin: {listen: ''}\nbus: {driver: embedded}\nembedded: {nats: '127.0.0.1:0'}\n"+
		"redis: %s\nregistry: {layout: %s, heartbeat: 50ms}\nsessions: {per_member: {max: 5}}\n"+
		"auth: {jwt: {secret_file: secret}}\nchannels: [{match: /topic/a, subscribe: 'true'}]\n", redis, layout))
	_, log, _ := beside(t, process("serve", "--config", "t.yaml"))
	listen := regexp.MustCompile(`msg=serving .*listen=(\S+)`)
	bustest.Eventually(t, "the node serves", func() bool { return listen.MatchString(log.String()) })
	url := "ws://" + listen.FindStringSubmatch(log.String())[1] + "/stomp"
	c := dial(t, url, "Authorization:Bearer "+newToken(t, "--config", "t.yaml", "--member", "42"))
	clitest.Contains(t, c.receive(t), "CONNECTED\n")

	var key string
	bustest.Eventually(t, "the session is listed", func() bool {
		_, stdout, _ := run(t, "sessions", "list", "--config", "t.yaml", "--member", "42", "-o", "name")
		key = strings.TrimSpace(stdout)
		return key != ""
	})
	for _, args := range [][]string{
		{"sessions", "list", "--limit", "1"}, {"sessions", "list", "-o", "wide"}, {"sessions", "count", "--by", "member"}, {"sessions", "show", key},
		{"destinations", "list"}, {"presence", "/topic/a"}, {"nodes", "list"}, {"nodes", "show", strings.Split(key, "_")[0]},
		{"sessions", "kick", "--member", "42", "--block", "1m", "--yes"}, {"sessions", "blocked"}, {"sessions", "unblock", "42"},
	} {
		if code, _, stderr := run(t, append(args, "--config", "t.yaml")...); code != 0 {
			t.Errorf("%q: exit code %d, %s", args, code, stderr)
		}
	}
	c.receive(t) // the ERROR
}
