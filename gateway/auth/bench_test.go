package auth

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// benchClaims make tokens of about 450 bytes, as dependencies.md 6 measures them.
func benchClaims(n int) string {
	return bob(time.Now().Add(time.Hour), fmt.Sprintf(`,"iss":"https://id.example","aud":"chat","tu":"access","rl":["ROLE_USER","ROLE_ADMIN"],"n":%d,"pad":%q`, n, strings.Repeat("a", 60)))
}

// BenchmarkToken is what a frame's token costs: verified (the first time), known (by memory), and
// same (as the last of the session).
func BenchmarkToken(b *testing.B) {
	for _, algorithm := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		var private, public any = secret(), secret()
		if algorithm != "HS256" {
			key := newKey(b, algorithm)
			private, public = key, key.Public()
		}
		a := mustNew(b, Config{Issuers: []Issuer{{Name: "https://id.example", Keys: []any{public}, Audience: []string{"chat"}}}, Leeway: 30 * time.Second})
		token := sign(b, algorithm, private, header(algorithm), benchClaims(0))
		now := time.Now()
		id, err := a.Verify(b.Context(), token)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(algorithm+"/verified", func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(len(token)), "B/token")
			for b.Loop() {
				if _, err := a.Check(token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
		text := []byte(token)
		b.Run(algorithm+"/known", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if id, _, _ := a.Known(text, now); id == nil {
					b.Fatal("not known")
				}
			}
		})
		b.Run(algorithm+"/same", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !id.Is(text) || !a.Fresh(id, now) {
					b.Fatal("not the same")
				}
			}
		})
	}
}

// BenchmarkKnownByAll is Known from all cores at once, for few tokens and for many.
func BenchmarkKnownByAll(b *testing.B) {
	for _, tokens := range []int{1, 1000} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			a := newAuth(b, secret())
			texts := make([][]byte, tokens)
			for n := range texts {
				texts[n] = []byte(hs256(b, benchClaims(n)))
				if _, err := a.Verify(b.Context(), string(texts[n])); err != nil {
					b.Fatal(err)
				}
			}
			now := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for n := 0; pb.Next(); n++ {
					if id, _, _ := a.Known(texts[n%tokens], now); id == nil {
						b.Error("not known")
					}
				}
			})
		})
	}
}

// BenchmarkRemembered is what a remembered token takes of memory.
func BenchmarkRemembered(b *testing.B) {
	for b.Loop() {
		const tokens = 10_000
		a := newAuth(b, secret())
		before := heap()
		for n := range tokens {
			if _, err := a.Verify(b.Context(), hs256(b, benchClaims(n))); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(heap()-before)/tokens, "B/remembered")
		runtime.KeepAlive(a)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
