// Package redisregistry publishes the sessions of a node in Redis, and reads those of all nodes.
//
// There are two layouts. In Hashes all names stand behind one configured prefix ("stompgw:" by
// default):
//
//	nodes                   set of the names of nodes, live or not yet swept
//	alive:<node>            About as JSON, there while the node lives; it expires
//	sessions:<node>:<0-63>  hashes, field = session key, value = registry.Value as JSON; each expires
//	members:<node>:<0-63>   index: sorted sets of <member as JSON> NUL <session id>, all scores 0,
//	                        spread by the CRC-32 of the member; each expires
//	blocked                 sorted set of members, by the time when their block ends, in Unix ms less a half
//
// Where the prefix is empty they stand behind "stompgw:hashes:".
//
// A heartbeat costs a PEXPIRE and a length for each of 128 keys, however many sessions there are, and
// a dead node's sessions go by themselves. In Keys each session is a string with the value as JSON,
// which expires:
//
//	<prefix><session key>
//
// That is what the system that stompgw replaces writes, whose sessions are found here as well. All
// the rest stands behind "stompgw:", the prefix and "keys:", and there is an index only when a Registry is
// given Config.Stored. A heartbeat costs a PEXPIRE for each session.
//
// No command names two keys, no key has a hash tag, and there is no script and no transaction, so
// all of it works on a Redis Cluster, over whose nodes the keys spread.
//
// What a node publishes it also keeps in memory. Redis may be away, restart empty or fail over
// with writes lost: the node goes on, says so, and writes again what is missing. It finds that out at
// a heartbeat, in three ways: a key is not there any more; it has another length than Redis'
// own answers to the changes add up to; or the servers' INFO says that their process, or the history of
// their data, is another one, and then contents are compared and all values written again, since
// lengths may be right by chance. Proxies that hide a fail-over don't hide that.
package redisregistry
