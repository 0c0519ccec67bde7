package servers

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stompgw/stompgw/bus/bustest"
)

// RedisCluster starts a Redis Cluster of three masters without persistence on free ports, each with
// further arguments, and returns when each of them says that all is well. The test's end kills them.
func RedisCluster(t testing.TB, args ...string) []*Process {
	t.Helper()
	const slots = 16384
	masters := make([]*Process, 3)
	ports := make([]string, len(masters)) // on which they talk with one another
	for i := range masters {
		ports[i] = strconv.Itoa(FreePort(t))
		masters[i] = Redis(t, append([]string{"--cluster-enabled", "yes", "--cluster-port", ports[i]}, args...)...)
	}
	for i, m := range masters {
		first, next := i*slots/len(masters), (i+1)*slots/len(masters)
		RedisCLI(t, m, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(next-1))
		RedisCLI(t, m, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	host, port, _ := strings.Cut(masters[0].Addr, ":")
	for _, m := range masters[1:] {
		RedisCLI(t, m, "CLUSTER", "MEET", host, port, ports[0])
	}
	for _, m := range masters {
		bustest.Eventually(t, "the cluster of redis-server "+m.Addr+" comes up", func() bool {
			return whole(RedisCLI(t, m, "CLUSTER", "INFO"), len(masters))
		})
	}
	return masters
}

func whole(info string, masters int) bool {
	return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384") &&
		strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(masters))
}

// RedisCLI returns what redis-cli prints when it asks a redis-server, as a script reads it.
func RedisCLI(t testing.TB, p *Process, args ...string) string {
	t.Helper()
	path := LookPath(t, "redis-cli", "redis-tools")
	host, port, _ := strings.Cut(p.Addr, ":")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
