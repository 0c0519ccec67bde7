//go:build !linux

package bench

import "net"

func readAll(nc net.Conn, take func([]byte) error) error { return readBuffered(nc, take) }

func checkFiles(int) error { return nil }
