package redisregistry

import (
	"encoding/json"
	"fmt"
	"time"
)

// About is what a node says of itself with every heartbeat, as JSON. Of a node of the replaced system
// it is only known that it has sessions.
type About struct {
	Node        string    `json:"serverUuid"`
	Host        string    `json:"host,omitempty"`    // what people call the node
	Address     string    `json:"address,omitempty"` // where clients reach it, host:port
	Version     string    `json:"version,omitempty"` // of stompgw
	Bus         string    `json:"bus,omitempty"`     // such as "kafka"
	Layout      Layout    `json:"layout,omitempty"`  // of its Map; missing from versions that did not say
	Prefix      string    `json:"prefix,omitempty"`  // as Layout
	Sessions    int       `json:"sessions"`          // when it said so
	StartedAt   time.Time `json:"startedAt,omitzero"`
	HeartbeatAt time.Time `json:"heartbeatAt,omitzero"` // by the node's clock
}

// Foreign reports whether the node is one of the replaced system.
func (a About) Foreign() bool { return a.HeartbeatAt.IsZero() }

// about is what the node of r says now.
func (r *Registry) about() ([]byte, error) {
	sessions, _ := r.book.count()
	return json.Marshal(About{
		Node:        r.node.String(),
		Host:        r.cfg.Host,
		Address:     r.cfg.Address,
		Version:     r.cfg.Version,
		Bus:         r.cfg.Bus,
		Layout:      r.names.layout,
		Prefix:      r.names.prefix,
		Sessions:    sessions,
		StartedAt:   r.cfg.Started,
		HeartbeatAt: time.Now(),
	})
}

// parseAbout reads what a node said under key.
func parseAbout(key, node string, text []byte) (About, error) {
	var a About
	if err := json.Unmarshal(text, &a); err != nil {
		return About{}, fmt.Errorf("read %s: %w", key, err)
	}
	if a.Node != node || a.HeartbeatAt.IsZero() {
		return About{}, fmt.Errorf("read %s: it is not what node %s says of itself", key, node)
	}
	return a, nil
}
