package redisregistry

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	olderNode = "1719999999998/7c0e9d1a-0000-4000-8000-00000000000f"
	deadNode  = "1719999999990/7c0e9d1a-0000-4000-8000-0000000000de"
)

// TestReaderOrder: nodes by start, sessions by id, over several pages, dead nodes left out.
func TestReaderOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		var want []string
		for _, name := range []string{olderNode, nodeName, deadNode} {
			r := newRegistry(t, client, name)
			for id := range registry.SessionID(1200) {
				r.Add(session(id))
				if name != deadNode {
					want = append(want, fmt.Sprint(uint64(id)))
				}
			}
			beat(t, r)
			flush(t, r)
		}
		client.Del(t.Context(), "stompgw:alive:"+deadNode)
		wantListed(t, client, strings.Join(want, " "))
	})
}

func TestReaderStops(t *testing.T) {
	client := clientOf(t, miniredis.RunT(t).Addr())
	r := newRegistry(t, client, nodeName)
	for id := range registry.SessionID(10) {
		r.Add(session(id))
	}
	flush(t, r)
	seen := 0
	for _, err := range NewReader(client, "stompgw:").Sessions(t.Context(), []registry.Node{r.node}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d sessions, want to stop after 3", seen)
	}
}

func TestFind(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		r := newRegistry(t, client, nodeName)
		r.Add(session(1))
		beat(t, r)
		flush(t, r)
		reader := NewReader(client, "stompgw:")
		s, err := reader.Find(t.Context(), nodeName+"_00000001")
		if err != nil || s.Key() != nodeName+"_00000001" || s.Value.PrincipalUserName != r.node.Principal(1, connected()) {
			t.Errorf("found %+v, %v", s, err)
		}
		if _, err := reader.Find(t.Context(), nodeName+"_00000002"); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown session gives %v, want ErrNotFound", err)
		}
		for _, key := range []string{"", "x", nodeName, nodeName + "_1", "1_00000001"} {
			if _, err := reader.Find(t.Context(), key); err == nil || errors.Is(err, ErrNotFound) {
				t.Errorf("key %q gives %v, want that it is no key", key, err)
			}
		}
	})
}

// TestForeignData: what others wrote under our names is told, with the key.
func TestForeignData(t *testing.T) {
	for name, harm := range map[string]func(client redis.UniversalClient) error{
		"a field that is no session key": func(c redis.UniversalClient) error {
			return c.HSet(t.Context(), "stompgw:sessions:"+nodeName+":5", "x", "{}").Err()
		},
		"a value that is no JSON": func(c redis.UniversalClient) error {
			return c.HSet(t.Context(), "stompgw:sessions:"+nodeName+":5", nodeName+"_00000005", "x").Err()
		},
		"a key of another type": func(c redis.UniversalClient) error {
			return c.Set(t.Context(), "stompgw:sessions:"+nodeName+":5", "x", 0).Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, miniredis.RunT(t).Addr())
			beat(t, newRegistry(t, client, nodeName))
			if err := harm(client); err != nil {
				t.Fatal(err)
			}
			if got, err := listed(t.Context(), client); err == nil || !strings.Contains(err.Error(), nodeName) {
				t.Errorf("listed [%s], %v; want an error that names the key", got, err)
			}
		})
	}
}
