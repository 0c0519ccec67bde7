// Package redislist is the list of revoked tokens that the replaced system keeps in Redis: one key for each.
package redislist
