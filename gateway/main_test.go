package gateway_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails on goroutines that a stopped node leaves behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
