// Package redisregistry publishes the sessions of a node in Redis, and reads those of all nodes.
//
// The layout, all names behind one configured prefix ("stompgw:" by default):
//
//	nodes                   set of the names of nodes, live or not yet swept
//	alive:<node>            string that is there while the node lives; it expires
//	sessions:<node>:<0-63>  hashes, field = session key, value = registry.Value as JSON; each expires
//
// A heartbeat costs one PEXPIRE and one HLEN per hash, however many sessions there are, and a dead
// node's sessions go by themselves. No command names two keys and no key has a hash tag, so all
// of it works on a Redis Cluster, where the hashes spread over its nodes.
//
// What a node publishes it also keeps in memory. Redis may be away, restart empty or fail over
// with writes lost: the node goes on, says so, and writes again what is missing.
package redisregistry
