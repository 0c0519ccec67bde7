package pageapi

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stompgw/stompgw/gateway/problem"
)

const (
	maxPosition  = 600 // bytes
	maxMessages  = 100 // of one page
	someMessages = 20  // where nobody has said how many
)

// query is what a request says behind its path.
type query map[string]string

// readQuery reads those parameters that there are. One that is blank, as a script's empty variable makes it, or that stands twice,
// would mean all, or the first.
func readQuery(raw string, takes []string) (query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, problem.Invalid("the query is malformed: names and values are percent-encoded, as URLSearchParams does it")
	}
	q := query{}
	for name, list := range values {
		switch {
		case !slices.Contains(takes, name):
			return nil, problem.Invalid("%.100q is no parameter of this: want %s", name, strings.Join(takes, ", "))
		case len(list) > 1 || list[0] == "":
			return nil, problem.Invalid("%s: want one value, or leave it out", name)
		case len(list[0]) > 2*maxName:
			return nil, problem.Invalid("%s: it has over %d bytes", name, 2*maxName)
		}
		q[name] = list[0]
	}
	return q, nil
}

// destination is what is asked about.
func (q query) destination() (string, error) {
	if name := q["destination"]; name != "" && len(name) <= maxName {
		return name, nil
	}
	return "", problem.Invalid("destination: want the destination by its name, such as /topic/chat, of 1 to %d bytes", maxName)
}

// limit is how many messages are asked for.
func (q query) limit() (int, error) {
	text, said := q["limit"]
	if !said {
		return someMessages, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxMessages {
		return 0, problem.Invalid("limit: want 1 to %d", maxMessages)
	}
	return n, nil
}
