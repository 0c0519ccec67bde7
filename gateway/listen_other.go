//go:build !linux

package gateway

import "context"

func (g *Gateway) acceptDescriptors(context.Context, Listener, *engine) (taken bool, err error) {
	return false, nil
}
