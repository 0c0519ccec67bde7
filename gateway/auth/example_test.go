package auth_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/gateway/auth"
)

func Example() {
	secret := []byte("a secret that the issuer has too, at least 32 bytes")
	a, err := auth.New(auth.Config{
		Issuers: []auth.Issuer{{Name: "https://id.example", Keys: []any{secret}, Algorithms: []string{"HS256"}}},
		Leeway:  30 * time.Second,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, lifetime := range []time.Duration{time.Hour, -time.Hour} {
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "https://id.example", "mu": 42, "rl": []string{"ROLE_USER"}, "exp": time.Now().Add(lifetime).Unix(),
		}).SignedString(secret)
		if err != nil {
			fmt.Println(err)
			return
		}
		id, err := a.Verify(context.Background(), token)
		if fault, ok := errors.AsType[*auth.Error](err); ok {
			fmt.Println("not taken:", fault.Check)
			continue
		}
		fmt.Println("member", id.Member, id.Roles)
	}
	// Output:
	// member 42 [ROLE_USER]
	// not taken: expiry
}
