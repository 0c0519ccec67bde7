package presence

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func people(ids ...string) (list []told) {
	for _, id := range ids {
		list = append(list, told{Member: json.RawMessage(id)})
	}
	return list
}

// TestReports: what clients read, letter by letter.
func TestReports(t *testing.T) {
	with := []told{{json.RawMessage("7"), json.RawMessage(`{"name":"A & B"}`)}}
	n := news{left: people("8", "9"), joined: with, changed: people(`"bob"`)}
	var got []string
	for _, body := range slices.Concat(
		hereReports([]told{}, counts{0, 2}, 1000), hereReports(with, counts{1, 0}, 1000), n.reports(counts{5, 1}, 1000), [][]byte{countReport(counts{3, 4}), pausedReport()},
	) {
		got = append(got, string(body))
	}
	want := []string{
		`{"type":"here","members":[],"count":0,"anonymous":2}`,
		`{"type":"here","members":[{"member":7,"info":{"name":"A & B"}}],"count":1,"anonymous":0}`,
		`{"type":"left","members":[{"member":8},{"member":9}],"count":4,"anonymous":1}`,
		`{"type":"joined","members":[{"member":7,"info":{"name":"A & B"}}],"count":5,"anonymous":1}`,
		`{"type":"changed","members":[{"member":"bob"}],"count":5,"anonymous":1}`,
		`{"type":"count","count":3,"anonymous":4}`,
		`{"type":"paused"}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestReportSizes: no report is larger than asked for, unless it is about one member, and none is left out.
func TestReportSizes(t *testing.T) {
	var list []told
	for i := range 300 {
		list = append(list, told{json.RawMessage(fmt.Sprint(1000 + i)), json.RawMessage(`"` + strings.Repeat("x", i%50*20) + `"`)})
	}
	for _, most := range []int{100, 1000, 5000, 1 << 20} {
		n := news{joined: list}
		for kind, bodies := range map[string][][]byte{"here": hereReports(list, counts{300, 0}, most), "joined": n.reports(counts{300, 0}, most)} {
			var had []string
			for i, body := range bodies {
				var r report
				if err := json.Unmarshal(body, &r); err != nil {
					t.Fatal(err)
				}
				if len(body) > most && len(r.Members) > 1 {
					t.Errorf("%s: %d bytes of %d members, where %d are allowed", kind, len(body), len(r.Members), most)
				}
				for _, m := range r.Members {
					had = append(had, string(m.Member))
				}
				if kind == "here" && len(bodies) > 1 && (r.Part != i+1 || r.Parts != len(bodies)) || kind == "joined" && r.Count != len(had) {
					t.Errorf("%s: %d is part %d of %d, and counts %d", kind, i, r.Part, r.Parts, r.Count)
				}
			}
			if len(had) != len(list) || !slices.IsSorted(had) {
				t.Errorf("%s: %d of %d", kind, len(had), len(list))
			}
		}
	}
}
