package servers

import (
	"strconv"
	"strings"
	"testing"
)

// Produce writes lines to a topic as records without key and headers, with Kafka's own
// ConsoleProducer. Further arguments go to it.
func (b *Broker) Produce(t testing.TB, topic string, lines []string, args ...string) {
	t.Helper()
	args = append([]string{"--bootstrap-server", b.Addr, "--topic", topic}, args...)
	b.Run(t, strings.Join(lines, "\n")+"\n", "org.apache.kafka.tools.ConsoleProducer", args...)
}

// Consume returns the first count records of a topic, each as a line, as Kafka's own
// ConsoleConsumer prints them. Further arguments go to it.
func (b *Broker) Consume(t testing.TB, topic string, count int, args ...string) []string {
	t.Helper()
	args = append([]string{
		"--bootstrap-server", b.Addr, "--topic", topic, "--from-beginning",
		"--max-messages", strconv.Itoa(count), "--timeout-ms", strconv.FormatInt(patience.Milliseconds(), 10),
	}, args...)
	out := b.Run(t, "", "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n")
}

// Kcat returns where kcat is, which speaks to Kafka as programs in C do.
func Kcat(t testing.TB) string {
	t.Helper()
	return LookPath(t, "kcat", "kcat")
}
