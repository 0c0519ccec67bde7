// Package redislist is the list of revoked tokens that the replaced system keeps in Redis: a key for each.
package redislist
