package probe

import (
	"strings"
	"testing"

	"github.com/stompgw/stompgw/cmd/internal/cli"
	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

// TestPolicyTestLimits: of a SEND that may pass, the limits of the channel are shown that its message goes to.
func TestPolicyTestLimits(t *testing.T) {
	t.Chdir(t.TempDir())
	clitest.WriteFile(t, "t.yaml", `channels:
  - {match: '/topic/{room}', send: 'true', limits: {rate: 90/m, message: 4KiB, over: drop}}
  - {match: '/topic/open/{room}', send: 'true'}
routes:
  - {match: '/app/{room}', allow: 'true', publish: '/topic/{room}'}
limits: {rate: 50/s}
`)
	for destination, want := range map[string]string{
		"/topic/a":      "limits     90/m, burst 2, drop, message 4KiB; of each session\n",
		"/app/a":        "limits     90/m, burst 2, drop, message 4KiB; of each session\n",
		"/topic/open/a": "",
	} {
		code, stdout, stderr := run(t, "policy", "test", "--config", "t.yaml", "SEND", destination)
		if code != int(cli.Done) || strings.Contains(stdout, "limits") != (want != "") || !strings.HasSuffix(stdout, want) {
			t.Errorf("%s: %d, got\n%s%swant %s", destination, code, stdout, stderr, want)
		}
	}
}
