package operate

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/stompgw/stompgw/cmd/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(clitest.Discard{})
	goleak.VerifyTestMain(m)
}
