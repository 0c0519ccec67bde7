package session

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stompgw/stompgw/bus/bustest"
	"github.com/stompgw/stompgw/gateway/auth"
)

// BenchmarkJudged is a SEND that a token and a rule in CEL judge, from the bytes of the frame to the
// bus: with the token of the session, with one that memory knows, and with one that has to be
// verified, for which the session waits.
func BenchmarkJudged(b *testing.B) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, alg := range []struct {
		method       jwt.SigningMethod
		sign, verify any
	}{
		{jwt.SigningMethodHS256, []byte(testSecret), []byte(testSecret)},
		{jwt.SigningMethodRS256, rsaKey, rsaKey.Public()},
		{jwt.SigningMethodES256, ecKey, ecKey.Public()},
	} {
		for _, mode := range []string{"same", "known", "new"} {
			b.Run(alg.method.Alg()+"/"+mode, func(b *testing.B) { benchmarkJudged(b, alg.method, alg.sign, alg.verify, mode) })
		}
	}
}

// signalling is a connection that tells when its session reads on.
type signalling struct {
	fakeConn
	resumed chan struct{}
}

func (c *signalling) Resume() {
	c.fakeConn.Resume()
	c.resumed <- struct{}{}
}

func benchmarkJudged(b *testing.B, method jwt.SigningMethod, sign any, verify crypto.PublicKey, mode string) {
	frames := make([][]byte, map[string]int{"same": 1, "known": 100, "new": 2000}[mode])
	for i := range frames {
		token, err := jwt.NewWithClaims(method, jwt.MapClaims{
			"mu": 42, "rl": []string{"ROLE_USER", "ROLE_ADMIN"}, "tu": "access", "iss": "https://issuer.example.com", "jti": i,
			"filler": strings.Repeat("x", 60), "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString(sign)
		if err != nil {
			b.Fatal(err)
		}
		frames[i] = []byte(strings.ReplaceAll(sendAs("/topic/of/42/a", token, "a message"), "^@", "\x00"))
	}
	fake := bustest.NewFake()
	r := newRigWith(b, fake, nullBus{fake}, loginRules())
	conn := &signalling{resumed: make(chan struct{}, 1)}
	var s *Session
	forget := func() { // all tokens
		a, err := auth.New(auth.Config{Issuers: []auth.Issuer{{Name: "https://issuer.example.com", Algorithms: []string{method.Alg()}, Keys: []any{verify}}}})
		if err != nil {
			b.Fatal(err)
		}
		r.do(func() { r.host.Auth = a })
	}
	forget()
	r.do(func() {
		s = New(r.host, conn)
		s.Feed([]byte("CONNECT\naccept-version:1.2\n\n\x00"))
	})
	work := make([]byte, 4096)
	feed := func(frame []byte) { s.Feed(work[:copy(work, frame)]) }
	feedNew := func(frame []byte) {
		r.loop.Post(func() { feed(frame) })
		<-conn.resumed
	}
	for _, frame := range frames {
		feedNew(frame)
	}
	b.ReportAllocs()
	i := 0
	if mode == "new" {
		forget()
		for b.Loop() {
			if i == len(frames) {
				b.StopTimer()
				forget()
				i = 0
				b.StartTimer()
			}
			feedNew(frames[i])
			i++
		}
	} else {
		ran := make(chan struct{})
		r.loop.Post(func() {
			for b.Loop() {
				feed(frames[i%len(frames)])
				i++
			}
			close(ran)
		})
		<-ran
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
	for code := range r.host.Stats.Refused {
		if n := r.host.Stats.Refused[code].Load(); n > 0 {
			b.Fatalf("%d frames were refused with code %d", n, code)
		}
	}
}
