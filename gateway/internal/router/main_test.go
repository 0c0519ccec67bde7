package router

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails on goroutines that are left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
