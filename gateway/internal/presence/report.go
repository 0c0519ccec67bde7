package presence

// report is the body of a MESSAGE to viewers.
type report struct {
	Type      string `json:"type"`             // here, joined, changed, left, count or paused
	Members   []told `json:"members,omitzero"` // nil in those that are about none
	Count     int    `json:"count"`
	Anonymous int    `json:"anonymous"`
	Part      int    `json:"part,omitempty"` // from 1, of so many; missing where there is one
	Parts     int    `json:"parts,omitempty"`
}

const (
	// reportSize is how much a report takes beside its members, and memberSize one of these beside his id and what is shown, at most.
	reportSize, memberSize = 160, 24
)

// pausedReport says that nobody knows who is there.
func pausedReport() []byte { return []byte(`{"type":"paused"}`) }

// countReport says how many are there.
func countReport(n counts) []byte {
	return encode(report{Type: "count", Count: n.members, Anonymous: n.anonymous})
}

// hereReports say who is there, in parts of so many bytes. list is not nil.
func hereReports(list []told, n counts, most int) (bodies [][]byte) {
	pieces := split(list, most)
	for i, piece := range pieces {
		r := report{Type: "here", Members: piece, Count: n.members, Anonymous: n.anonymous}
		if len(pieces) > 1 {
			r.Part, r.Parts = i+1, len(pieces)
		}
		bodies = append(bodies, encode(r))
	}
	return bodies
}

// reports say what has changed, each with how many are there after it; after is when all is told.
func (n *news) reports(after counts, most int) (bodies [][]byte) {
	count := after.members + len(n.left) - len(n.joined)
	for _, kind := range [...]struct {
		word    string
		members []told
		each    int // what one of them adds
	}{{"left", n.left, -1}, {"joined", n.joined, 1}, {"changed", n.changed, 0}} {
		if len(kind.members) == 0 {
			continue
		}
		for _, piece := range split(kind.members, most) {
			count += kind.each * len(piece)
			bodies = append(bodies, encode(report{Type: kind.word, Members: piece, Count: count, Anonymous: after.anonymous}))
		}
	}
	return bodies
}

// split splits a list into pieces whose report takes so many bytes at most, if one of them does. There is one piece at least.
func split(list []told, most int) (pieces [][]told) {
	begin, size := 0, reportSize
	for i := range list {
		one := memberSize + len(list[i].Member) + len(list[i].Info)
		if size+one > most && i > begin {
			pieces = append(pieces, list[begin:i])
			begin, size = i, reportSize
		}
		size += one
	}
	return append(pieces, list[begin:])
}
