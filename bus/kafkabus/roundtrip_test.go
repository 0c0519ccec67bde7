package kafkabus

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/bustest/servers"
)

// TestRecordsOverBroker holds that a broker brings back what asRead has the other tests believe:
// empty is not nil, header names may have any bytes, and their order stays.
func TestRecordsOverBroker(t *testing.T) {
	cluster := servers.Fake(t, 1, kfake.SeedTopics(1, "t"))
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &kafka.Client{Addr: kafka.TCP(cluster.Addrs...), Transport: transport, Timeout: 10 * time.Second}

	e := bus.Envelope{Destination: "/topic/\xff", Headers: busHeaders("", "", "b", "\x00", "a", "", "\xff\x00", "\xfe", "b", "ä"), Body: []byte{}}
	attempts := func() []kafka.Record {
		return []kafka.Record{
			Headers.encode(&e, "1/a", 1),
			JSON.encode(&bus.Envelope{Destination: "/topic/a", Headers: e.Headers, Body: []byte("x")}, "1/a", 2),
			Headers.encode(&bus.Envelope{Destination: "/topic/a"}, "1/a", 3),
			{Headers: []kafka.Header{{Key: "null"}}}, // a tombstone without a key
		}
	}
	produceTo(t, client, attempts())
	for i, got := range fetchFrom(t, client, len(attempts())) {
		if want := asRead(t, attempts()[i]); !reflect.DeepEqual(got, want) {
			t.Errorf("record %d: got %v, want %v", i, *got, *want)
		}
	}
}

func produceTo(t *testing.T, client *kafka.Client, records []kafka.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	response, err := client.Produce(ctx, &kafka.ProduceRequest{
		Topic: "t", RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...),
	})
	if err != nil || response.Error != nil || len(response.RecordErrors) > 0 {
		t.Fatal(err, response)
	}
}

func fetchFrom(t *testing.T, client *kafka.Client, count int) []*record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	response, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: "t", MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Second})
	if err != nil || response.Error != nil {
		t.Fatal(err, response)
	}
	var records []*record
	for range count {
		rec, err := response.Records.ReadRecord()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &record{key: readBytes(t, rec.Key), value: readBytes(t, rec.Value), headers: rec.Headers})
	}
	return records
}
