package cmd

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/cmd/internal/output"
)

func sampleSessions() iter.Seq2[admin.Session, error] {
	const node = "1719999999999/7c0e9d1a-0000-4000-8000-000000000001"
	at := func(s string) *time.Time {
		v, _ := time.Parse(time.RFC3339, s) // the texts below are fine
		return &v
	}
	return func(yield func(admin.Session, error) bool) {
		for _, s := range []admin.Session{
			{Key: node + "_00000001", ID: "00000001", Node: node, Principal: node + "/00000001/2025_02_03_T_14_05_06_789_KST",
				Member: json.RawMessage("42"), Transport: "websocket", Version: "1.2", Remote: "192.0.2.7:40001", ConnectedAt: at("2025-02-03T14:05:06+09:00")},
			{Key: node + "_0000000a", ID: "0000000a", Node: node, Principal: node + "/0000000a/2025_02_03_T_14_05_06_789_KST",
				Member: json.RawMessage("null"), Transport: "tcp", Version: "1.0", Remote: "192.0.2.8:40002", ConnectedAt: at("2025-02-01T14:05:06+09:00")},
			{Key: node + "_0000000b", ID: "0000000b", Node: node, Principal: "?", Member: json.RawMessage(`"bob"`), Transport: "web\x1bsocket"},
		} {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func TestSessionsFormats(t *testing.T) {
	now := time.Date(2025, 2, 3, 5, 8, 18, 0, time.UTC)
	columns := []string{"SESSION", "MEMBER", "NODE", "TRANSPORT", "AGE"}
	for _, tt := range []struct {
		golden, format string
		o              output.Options
	}{
		{"sessions.terminal.golden", "table", output.Options{Columns: columns, Headers: true, Terminal: true}},
		{"sessions.piped.golden", "table", output.Options{Columns: columns, Headers: true}},
		{"sessions.noheaders.golden", "table", output.Options{Columns: columns}},
		{"sessions.json.golden", "json", output.Options{}},
		{"sessions.name.golden", "name", output.Options{}},
	} {
		var out bytes.Buffer
		w, err := output.New(&out, tt.format, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := printSessions(w, sampleSessions(), now); n != 3 || err != nil {
			t.Errorf("%s: %d sessions, %v", tt.golden, n, err)
		}
		golden(t, tt.golden, out.String())
		if tt.format == "json" && !json.Valid(out.Bytes()) {
			t.Errorf("%s is not JSON", tt.golden)
		}
	}
}

func TestSessionsBreakOff(t *testing.T) {
	lost := errors.New("connection lost")
	w, err := output.New(new(bytes.Buffer), "name", output.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := printSessions(w, func(yield func(admin.Session, error) bool) { yield(admin.Session{}, lost) }, time.Time{})
	if n != 0 || !errors.Is(err, lost) {
		t.Errorf("%d sessions, %v; want the error", n, err)
	}
}
