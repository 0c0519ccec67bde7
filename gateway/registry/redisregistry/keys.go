package redisregistry

import (
	"strconv"

	"github.com/stompgw/stompgw/gateway/registry"
)

// buckets is how many hashes the sessions of one node are spread over, so that no single command
// that frees or walks one of them holds up Redis for long.
const buckets = 64

// keys makes the names of Redis keys behind a prefix.
type keys struct {
	prefix string
}

func (k keys) nodes() string { return k.prefix + "nodes" }

func (k keys) alive(node string) string { return k.prefix + "alive:" + node }

func (k keys) sessions(node string, bucket int) string {
	return k.prefix + "sessions:" + node + ":" + strconv.Itoa(bucket)
}

func bucketOf(id registry.SessionID) int { return int(id % buckets) }
