package redisregistry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/stompgw/stompgw/bus/bustest/servers"
	"github.com/stompgw/stompgw/gateway/registry"
)

const (
	olderNode = "1719999999998/7c0e9d1a-0000-4000-8000-00000000000f"
	deadNode  = "1719999999990/7c0e9d1a-0000-4000-8000-0000000000de"
	otherNode = "1719999999000/0b1c2d3e-0000-4000-8000-000000000077" // of the replaced system
)

// putForeign writes sessions as a node of the replaced system does.
func putForeign(t testing.TB, client redis.UniversalClient, prefix, member string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		value := strings.NewReplacer(nodeName, otherNode, "00000041", id, `:42}`, ":"+member+"}").Replace(contractValue)
		if err := client.Set(t.Context(), prefix+otherNode+"_"+id, value, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReaderOrder: nodes by start, sessions by hash and id, over several pages, dead nodes left out.
func TestReaderOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		m := mapOf(client, Hashes)
		for _, name := range []string{olderNode, nodeName, deadNode} {
			publish(t, newRegistry(t, client, name), many(1200)...)
		}
		client.Del(t.Context(), "stompgw:alive:"+deadNode)
		var ids []string
		for bucket := range buckets {
			for id := bucket; id < 1200; id += buckets {
				ids = append(ids, fmt.Sprintf("%x", id))
			}
		}
		one := strings.Join(ids, " ")
		for q, want := range map[Query]string{{}: one + " " + one, {Node: olderNode}: one, {Node: deadNode}: ""} {
			if got, err := listed(t.Context(), m, q); err != nil || got != want {
				t.Errorf("%+v has [%.50s…], %v; want [%.50s…]", q, got, err, want)
			}
		}
	})
}

// TestPages: a walk that is taken up behind any of its sessions has all that one walk has, whatever
// the page and the query.
func TestPages(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		m := mapOf(clientOf(t, servers.Redis(t).Addr), layout)
		const each = pageSize + 100
		for _, name := range []string{olderNode, nodeName} {
			r := newRegistryOn(t, m, name, Config{Stored: func(registry.Session) {}})
			for id := range registry.SessionID(each) {
				r.Add(of(fmt.Sprint(uint64(id%2)), id))
			}
			publish(t, r)
		}
		all := 2 * each
		if layout == Keys {
			foreign := []string{"x", "a_b|c", "00000001"}
			putForeign(t, m.Client.Redis(), m.Prefix, "7", foreign...)
			all += len(foreign)
		}
		for q, want := range map[Query]int{{}: all, {Node: nodeName}: each, {Member: "1"}: each, {Member: "0", Node: olderNode}: each / 2} {
			whole := keysOf(t, m, q, 1<<30)
			if n := len(slices.Compact(slices.Sorted(slices.Values(whole)))); len(whole) != want || n != want {
				t.Fatalf("%+v has %d sessions, %d different ones, want %d", q, len(whole), n, want)
			}
			for _, page := range []int{7, 97, pageSize} {
				if got := keysOf(t, m, q, page); !slices.Equal(got, whole) {
					t.Errorf("%+v in pages of %d has %d sessions, and %d at once, or another order", q, page, len(got), want)
				}
			}
		}
	})
}

// walk walks the sessions of a query page by page.
func walk(t *testing.T, m Map, q Query, page int) (sessions []Session) {
	t.Helper()
	for reader, n := NewReader(m), page; n == page; {
		n = 0
		for s, err := range reader.Sessions(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			sessions, q.After = append(sessions, s), s.Cursor
			if n++; n == page {
				break
			}
		}
	}
	return sessions
}

func keysOf(t *testing.T, m Map, q Query, page int) (keys []string) {
	t.Helper()
	for _, s := range walk(t, m, q, page) {
		keys = append(keys, s.Key())
	}
	return keys
}

// TestCursorOfSessionThatEnded: its page goes on behind where it was.
func TestCursorOfSessionThatEnded(t *testing.T) {
	inBoth(t, func(t *testing.T, layout Layout) {
		m := mapOf(clientOf(t, servers.Redis(t).Addr), layout)
		r := indexed(t, m)
		publish(t, r, many(300)...)
		for _, q := range []Query{{}, {Member: "42"}} {
			whole := walk(t, m, q, 1<<30)
			at := whole[100]
			id, _ := registry.ParseSessionID(at.ID)
			r.Remove(id)
			flush(t, r)
			q.After = at.Cursor
			if got := walk(t, m, q, 1<<30); idsOf(got) != idsOf(whole[101:]) {
				t.Errorf("behind an ended session there are %d sessions, want %d", len(got), len(whole)-101)
			}
			r.Add(session(id))
			flush(t, r)
		}
	})
}

func TestBadCursor(t *testing.T) {
	onMini(t, func(t *testing.T, m Map, _ *miniredis.Miniredis) {
		for _, after := range []string{"x", "1|2", nodeName, nodeName + "_x", "x||" + nodeName + "_00000001", "0|192.0.2.1:1|" + nodeName + "_00000001"} {
			if got, err := listed(t.Context(), m, Query{After: after}); !errors.Is(err, ErrCursor) {
				t.Errorf("behind %q there is [%s], %v; want ErrCursor", after, got, err)
			}
		}
		if got, err := listed(t.Context(), m, Query{Member: "bob"}); err == nil {
			t.Errorf("a member that is no JSON has [%s]", got)
		}
	})
}

// TestNodes: live ones, each with as many sessions as it has in Redis.
func TestNodes(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		client := m.Client.Redis()
		for name, sessions := range map[string]registry.SessionID{deadNode: 1, olderNode: 700, nodeName: 1400} {
			publish(t, newRegistryOn(t, m, name, Config{}), many(sessions)...)
		}
		client.Del(t.Context(), m.names().alive(deadNode))
		want := fmt.Sprintf("[%s 700 false, %s 1400 false]", olderNode, nodeName)
		if m.Layout == Keys {
			putForeign(t, client, m.Prefix, "null", "a", "b_c")
			client.Set(t.Context(), m.Prefix+"1700000000000/x_y", `{"serverUuid":"1700000000000/x"}`, 0) // others' data
			want = fmt.Sprintf("[%s 2 true, %s 700 false, %s 1400 false]", otherNode, olderNode, nodeName)
		}
		nodes, err := NewReader(m).Nodes(t.Context())
		var got []string
		for _, a := range nodes {
			got = append(got, fmt.Sprint(a.Node, " ", a.Sessions, " ", a.Foreign()))
		}
		if got := "[" + strings.Join(got, ", ") + "]"; got != want || err != nil {
			t.Errorf("nodes are\n%s, %v; want\n%s", got, err, want)
		}
	})
}

// TestReplacedSystemsSessions: they are sessions like ours.
func TestReplacedSystemsSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		m := Map{Client: like(client), Layout: Keys}
		r := indexed(t, m)
		publish(t, r, session(1))
		putForeign(t, client, "", "42", "kx3v0a", "9d7b5b1e-0000-4000-8000-000000000001")
		if got := keysOf(t, m, Query{Member: "42"}, 1<<30); len(got) != 3 {
			t.Errorf("member 42 has %q, want three sessions", got)
		}
		if got := keysOf(t, m, Query{Node: otherNode}, 1<<30); len(got) != 2 {
			t.Errorf("the node has %q, want two sessions", got)
		}
		s, err := NewReader(m).Find(t.Context(), "kx3v0a")
		if err != nil || s.Key() != otherNode+"_kx3v0a" || s.ID != "kx3v0a" || s.Value.ConnectedAt != nil {
			t.Errorf("found %+v, %v", s, err)
		}
		wantMember(t, m, "42", "1")
	})
}

func TestFind(t *testing.T) {
	everywhere(t, func(t *testing.T, m Map) {
		publish(t, newRegistryOn(t, m, olderNode, Config{}), session(1))
		publish(t, newRegistryOn(t, m, nodeName, Config{}), many(1501)[1:]...)
		if m.Layout == Hashes { // those of a dead node that have not expired yet are no sessions
			publish(t, newRegistryOn(t, m, deadNode, Config{}), session(1), session(0x9999))
			m.Client.Redis().Del(t.Context(), m.names().alive(deadNode))
		}
		for name, want := range map[string]string{
			nodeName + "_00000001": nodeName + "_00000001",
			nodeName + "_000005dc": nodeName + "_000005dc",
			nodeName + "_000005d":  "5 " + nodeName + "_000005d",
			olderNode + "_":        olderNode + "_00000001",
			olderNode:              olderNode + "_00000001",
			olderNode[:13]:         olderNode + "_00000001",
			"1719999999998/7":      olderNode + "_00000001",
			nodeName:               "5 " + nodeName,
			nodeName + "_0000":     "5 " + nodeName + "_0000",
			"1719":                 "5 1719",
			"000005dc":             nodeName + "_000005dc",
			"00000001":             "2 ",
		} {
			s, err := NewReader(m).Find(t.Context(), name)
			var ambiguous *AmbiguousError
			switch n, beginning, several := strings.Cut(want, " "); {
			case !several:
				if err != nil || s.Key() != want || s.Value.ServerUUID != s.Node.String() {
					t.Errorf("%s means %+v, %v; want %s", name, s, err, want)
				}
			case !errors.As(err, &ambiguous) || fmt.Sprint(len(ambiguous.Keys)) != n:
				t.Errorf("%s means %s, %v; want %s sessions", name, s.Key(), err, n)
			default:
				for _, key := range ambiguous.Keys {
					if !strings.HasPrefix(key, beginning) || !strings.Contains(err.Error(), key) {
						t.Errorf("%s: %v names %s", name, err, key)
					}
				}
			}
		}
		for _, name := range []string{"", "x", "*", nodeName + "x", nodeName + "_ffff", nodeName + "_1", nodeName + "_00009999", "00009999", "_00000001", deadNode, deadNode + "_00000001"} {
			if s, err := NewReader(m).Find(t.Context(), name); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q means %s, %v; want ErrNotFound", name, s.Key(), err)
			}
		}
	})
}

// TestMemberIsBounded: the first sessions of very many.
func TestMemberIsBounded(t *testing.T) {
	m := mapOf(clientOf(t, servers.Redis(t).Addr), Hashes)
	publish(t, newRegistryOn(t, m, nodeName, Config{}), many(maxOfMember+5)...)
	sessions, err := NewReader(m).Member(t.Context(), "42")
	if err != nil || len(sessions) != maxOfMember || sessions[maxOfMember-1].ID != registry.SessionID(maxOfMember-1).String() {
		t.Errorf("there are %d sessions, %v; want the first %d", len(sessions), err, maxOfMember)
	}
	if got := keysOf(t, m, Query{Member: "42"}, 1<<30); len(got) != maxOfMember+5 {
		t.Errorf("a walk has %d sessions, want %d", len(got), maxOfMember+5)
	}
}

// TestStaleIndex: the value decides whose session it is.
func TestStaleIndex(t *testing.T) {
	client := clientOf(t, miniredis.RunT(t).Addr())
	m := mapOf(client, Hashes)
	r := newRegistry(t, client, nodeName)
	publish(t, r, session(1))
	key := r.names.members(nodeName, shardOf("43"))
	client.ZAdd(t.Context(), key, redis.Z{Member: "43\x0000000001"}, redis.Z{Member: "43\x0000000002"})
	wantMember(t, m, "43", "")
	wantMember(t, m, "42", "1")
}

// TestForeignData: what others wrote under our names is told, with the key.
func TestForeignData(t *testing.T) {
	const hash = "stompgw:sessions:" + nodeName + ":5"
	for name, harm := range map[string][]any{
		"a field that is no session key": {"HSET", hash, "x", "{}"},
		"a session of another node":      {"HSET", hash, olderNode + "_00000005", "{}"},
		"a session of another hash":      {"HSET", hash, nodeName + "_00000006", "{}"},
		"a value that is no JSON":        {"HSET", hash, nodeName + "_00000005", "x"},
		"a key of another type":          {"SET", hash, "x"},
		"a node that says nothing":       {"SET", "stompgw:alive:" + nodeName, "1"},
		"a node that says it is another": {"SET", "stompgw:alive:" + nodeName, `{"serverUuid":"` + olderNode + `"}`},
		"nodes of another type":          {"SET", "stompgw:nodes", nodeName},
	} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, miniredis.RunT(t).Addr())
			beat(t, newRegistry(t, client, nodeName))
			harmed(t, client, harm)
			got, err := listed(t.Context(), mapOf(client, Hashes), Query{})
			if err == nil || !strings.Contains(err.Error(), "stompgw:") {
				t.Errorf("listed [%s], %v; want an error that names the key", got, err)
			}
		})
	}
}

// harmed has Redis carry out a command of somebody else.
func harmed(t *testing.T, client redis.UniversalClient, command []any) {
	t.Helper()
	if err := client.Do(t.Context(), command...).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestForeignKeys: others' keys that look like sessions are passed over in the layout Keys.
func TestForeignKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, client redis.UniversalClient) {
		ctx := t.Context()
		m := Map{Client: like(client), Layout: Keys}
		publish(t, newRegistryOn(t, m, nodeName, Config{}), session(1))
		value := string((&place{node: mustNode(t, nodeName)}).value(session(2)))
		for key, text := range map[string]string{
			nodeName + "_nojson":      "x",
			nodeName + "_array":       "[1]",
			nodeName + "_empty":       "",
			nodeName + "_other":       strings.ReplaceAll(value, nodeName, olderNode),
			nodeName + "_huge":        strings.Repeat(" ", maxValue) + value,
			nodeName + "_":            value,
			"1/2/3_4":                 value,
			"x" + nodeName + "_00001": value,
			"a_b":                     value,
		} {
			client.Set(ctx, key, text, 0)
		}
		client.HSet(ctx, nodeName+"_hash", "a", "b")
		wantListed(t, m, "1")
		if got, err := listed(ctx, m, Query{Node: nodeName}); err != nil || got != "1" {
			t.Errorf("the node has [%s], %v; want session 1", got, err)
		}
		for _, name := range []string{nodeName + "_hash", nodeName + "_huge", "a_b", "nojson"} {
			wantFound(t, m, name, false)
		}
		wantFound(t, m, nodeName, true)
	})
}

// TestTooManyForeignNodes: memory does not grow with what others write.
func TestTooManyForeignNodes(t *testing.T) {
	server := miniredis.RunT(t)
	for i := range maxForeign + 1 {
		if err := server.Set(fmt.Sprintf("%d/x_y", i), "{}"); err != nil {
			t.Fatal(err)
		}
	}
	m := Map{Client: like(clientOf(t, server.Addr())), Layout: Keys}
	if nodes, err := NewReader(m).Nodes(t.Context()); err == nil || !strings.Contains(err.Error(), "prefix") {
		t.Errorf("%d nodes, %v; want an error about the prefix", len(nodes), err)
	}
}
