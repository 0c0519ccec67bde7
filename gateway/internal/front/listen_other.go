//go:build !linux

package front

import "context"

func (d *Door) acceptDescriptors(context.Context, Listener) (taken bool, err error) {
	return false, nil
}
