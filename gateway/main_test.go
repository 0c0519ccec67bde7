package gateway_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails on goroutines that a stopped node leaves behind. Most parallel tests wait, so more of
// them run than there are processors; -parallel of the command line counts.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}
