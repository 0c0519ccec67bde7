package servers

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// Broker is an Apache Kafka of one node, broker and controller in one, unless it is the Member of another one's cluster.
type Broker struct {
	Process // Addr is its listener without TLS and SASL

	// Set with Secure alone: more listeners.
	TLSAddr  string
	SASLAddr string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, without TLS
	BothAddr string // SASL over TLS
	CA       *x509.CertPool

	classes    string // where Java finds Kafka
	dir        string // everything it writes; "" before setUp
	node       int    // its number in the cluster
	controller string // address of the cluster's; "" if it is that itself
	quorum     string // the same, or its own
	settings   []string
}

// Option changes a Broker before its first start.
type Option func(t testing.TB, b *Broker)

// Setting adds a line of server.properties, such as "message.max.bytes=2000".
func Setting(line string) Option {
	return func(_ testing.TB, b *Broker) { b.settings = append(b.settings, line) }
}

// Member makes the broker one of another one's cluster, with a number of its own from 2 on. The other one is its controller.
func Member(of *Broker, number int) Option {
	return func(_ testing.TB, b *Broker) { b.controller, b.node = of.quorum, number }
}

// Kafka starts a broker, which takes 4 to 6 seconds. Topics are not created by themselves. The
// test's end kills it; see Shared for one that a package's tests share.
func Kafka(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	b := new(Broker)
	t.Cleanup(b.remove)
	b.setUp(t, opts)
	return b
}

// remove kills the broker and removes its data.
func (b *Broker) remove() {
	b.Kill()
	if b.dir != "" {
		_ = os.RemoveAll(b.dir) // what stays is under the system's folder of temporary files
	}
}

func (b *Broker) setUp(t testing.TB, opts []Option) {
	t.Helper()
	b.classes = filepath.Join(Jars(t), "*")
	first := prepared(t, b.classes)
	dir, err := os.MkdirTemp("", "stompgw-kafka-")
	must(t, err)
	b.dir = dir
	b.configure(t, opts)
	b.format(t, first)
	b.run(t, "-XX:SharedArchiveFile="+filepath.Join(first, archive))
}

// run starts the broker for the first time, with one more option of Java.
func (b *Broker) run(t testing.TB, option string) {
	t.Helper()
	b.Path, b.Args = "java", java(512, b.classes, option, "-Dlog4j2.configurationFile="+b.file("log4j2.yaml"), "kafka.Kafka", b.file("server.properties"))
	b.output = b.file("output")
	b.Answers = b.ready
	b.Start(t)
}

func (b *Broker) file(name string) string { return filepath.Join(b.dir, name) }

// Data returns the folder of a topic's partition.
func (b *Broker) Data(topic string, partition int) string {
	return b.file(filepath.Join("data", fmt.Sprintf("%s-%d", topic, partition)))
}

// configure writes the broker's files.
func (b *Broker) configure(t testing.TB, opts []Option) {
	t.Helper()
	b.Addr, b.node = loopback(FreePort(t)), 1
	b.settings = []string{
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.ToSlash(b.file("data")),
		"auto.create.topics.enable=false",
		"group.initial.rebalance.delay.ms=0",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"broker.session.timeout.ms=3000", // a killed one is not let in again before; it is 9 s otherwise
		"broker.heartbeat.interval.ms=500",
		"log.cleaner.dedupe.buffer.size=2097152", // it takes 128 MiB of the heap otherwise
	}
	for _, opt := range opts {
		opt(t, b)
	}
	listeners, protocols := []string{"PLAINTEXT://" + b.Addr}, "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"
	if b.CA != nil {
		listeners = append(listeners, "TLS://"+b.TLSAddr, "SASL://"+b.SASLAddr, "BOTH://"+b.BothAddr)
		protocols += ",TLS:SSL,SASL:SASL_PLAINTEXT,BOTH:SASL_SSL"
	}
	advertised, roles, controller := strings.Join(listeners, ","), "broker", b.controller
	if controller == "" {
		roles, controller = "broker,controller", loopback(FreePort(t))
		listeners = append(listeners, "CONTROLLER://"+controller)
	}
	b.quorum = controller
	b.settings = append(b.settings,
		"process.roles="+roles,
		fmt.Sprintf("node.id=%d", b.node),
		"controller.quorum.voters=1@"+controller, // by the number of the one that is nobody's member
		"advertised.listeners="+advertised,
		"listeners="+strings.Join(listeners, ","),
		"listener.security.protocol.map="+protocols,
	)
	b.write(t, "server.properties", []byte(strings.Join(b.settings, "\n")+"\n"))
	b.write(t, "log4j2.yaml", log4j)
}

func (b *Broker) write(t testing.TB, name string, text []byte) {
	t.Helper()
	must(t, os.WriteFile(b.file(name), text, 0o600))
}

// cluster is the id of all clusters: 16 bytes in base64, as Kafka wants them.
const cluster = "c3RvbXBndy10ZXN0cy0wMA"

// format makes the folder of the data one that the broker accepts, as kafka.tools.StorageTool does, with what that
// has made in the folder first.
func (b *Broker) format(t testing.TB, first string) {
	t.Helper()
	must(t, os.Mkdir(b.file("data"), 0o700))
	features, err := os.ReadFile(filepath.Join(first, checkpoint))
	must(t, err)
	b.write(t, filepath.Join("data", checkpoint), features)
	b.write(t, "data/meta.properties", fmt.Appendf(nil, "version=1\ncluster.id=%s\nnode.id=%d\n", cluster, b.node))
}

// java returns the arguments of a Java machine with a heap of at most so many MiB. The options make
// it start faster and use less memory; it is slower when warm.
func java(heap int, classPath string, more ...string) []string {
	return append([]string{
		fmt.Sprintf("-Xmx%dm", heap), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", classPath,
	}, more...)
}

// runJava returns what Java writes with the arguments, which it has to end well within limit.
func runJava(t testing.TB, limit time.Duration, args []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "java", args...)
	endWithParent(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("java %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ready returns nil if the broker answers and has joined its cluster.
func (b *Broker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := kafka.DialContext(ctx, "tcp", b.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	brokers, err := conn.Brokers()
	if err == nil && len(brokers) == 0 {
		err = errors.New("it has not joined its cluster")
	}
	return err
}
