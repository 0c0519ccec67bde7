package registry

import "encoding/json"

// Present is who is in a room: on one node, or on all of them as tools show it.
type Present struct {
	Destination string   `json:"destination"`
	Number      uint64   `json:"number,omitempty"`  // of the node's last change there; 0 for several nodes
	Count       int      `json:"count"`             // members
	Anonymous   int      `json:"anonymous"`         // sessions that are not logged in
	Many        bool     `json:"many,omitempty"`    // Members is left out: there are more than presence.limit, or they are only counted
	Members     []Person `json:"members,omitempty"` // in the order of their ids' text
}

// Person is a member who is in a room.
type Person struct {
	Member   json.RawMessage `json:"member"`         // 7 or "bob"
	Sessions int             `json:"sessions"`       // of the member's, in the room
	Since    int64           `json:"since"`          // Unix ms: when the newest of these sessions came
	Info     json.RawMessage `json:"info,omitempty"` // as presence_info made it for that session
}
