//go:build !unix

package config

// checkTrust takes every file: who may write one is not told by its mode here.
func checkTrust(string) error { return nil }
