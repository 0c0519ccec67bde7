package servers

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// FakeCluster is a Kafka of several brokers within the test, which knows what Kafka 4.0 does.
type FakeCluster struct {
	*kfake.Cluster // another one after each Start

	Addrs []string // host:port of each broker
	opts  []kfake.Opt
}

// Fake starts a fake cluster with more options of its package, such as kfake.SeedTopics. The test's
// end closes it.
func Fake(t testing.TB, brokers int, opts ...kfake.Opt) *FakeCluster {
	t.Helper()
	ports := make([]int, brokers)
	f := new(FakeCluster)
	for i := range ports {
		ports[i] = FreePort(t)
		f.Addrs = append(f.Addrs, loopback(ports[i]))
	}
	f.opts = append([]kfake.Opt{kfake.Ports(ports...), kfake.MaxVersions(kversion.V4_0_0()), kfake.DataDir(t.TempDir())}, opts...)
	t.Cleanup(f.Stop)
	f.Start(t)
	return f
}

// Start starts a stopped cluster again on the same ports and data. Its leaders may be others.
func (f *FakeCluster) Start(t testing.TB) {
	t.Helper()
	cluster, err := kfake.NewCluster(f.opts...)
	must(t, err)
	f.Cluster = cluster
}

// Stop stops all brokers.
func (f *FakeCluster) Stop() {
	if f.Cluster != nil {
		f.Close()
		f.Cluster = nil
	}
}
