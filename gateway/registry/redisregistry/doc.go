// Package redisregistry publishes the sessions of a node in Redis, and reads those of all nodes.
//
// There are two layouts. In Hashes all keys begin with one configured prefix ("stompgw:" by
// default):
//
//	nodes                   set of the names of nodes, live or not yet swept
//	alive:<node>            About as JSON, there while the node lives; it expires
//	sessions:<node>:<0-63>  hashes, field = session key, value = registry.Value as JSON; each expires
//	members:<node>:<0-63>   index: sorted sets of <member as JSON> NUL <session id>, all scores 0,
//	                        spread by the CRC-32 of the member; each expires
//	blocked                 sorted set of members, by the time when their block ends, in Unix ms less a half
//
// If the prefix is empty they begin with "stompgw:hashes:".
//
// A heartbeat costs a PEXPIRE and a length for each of 128 keys, however many sessions there are, and
// a dead node's sessions expire by themselves. In Keys each session is a string with the value as JSON,
// which expires:
//
//	<prefix><session key>
//
// That is what the system that stompgw replaces writes, so its sessions are found here as well. All
// other keys begin with "stompgw:", the prefix and "keys:", and there is an index only if a Registry has
// Config.Stored. A heartbeat costs a PEXPIRE for each session.
//
// No command names two keys, no key has a hash tag, and there are no scripts or transactions, so all of
// it works on a Redis Cluster, and the keys spread over its nodes.
//
// A node also keeps in memory what it publishes. Redis may be away, restart empty or fail over with
// writes lost: the node goes on, says so, and writes again what is missing. It detects that at a
// heartbeat, in three ways: a key is gone; its length is not what Redis' own answers to the changes add
// up to; or the servers' INFO shows another process, or another history of their data. In that case
// contents are compared and all values written again, since lengths may be right by chance. Proxies that
// hide a fail-over don't hide that.
package redisregistry
