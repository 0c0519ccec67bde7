package redisregistry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// lineage notices that Redis has other data than it had: it was started again, failed over, or is
// another server behind the same address. What was confirmed may be lost then, also where lengths are
// right by chance. It asks the servers for it rather than watch connections, which end for many
// reasons, and stay when it is a proxy that fails over.
type lineage struct {
	said    string // by the servers, at the last heartbeat
	known   bool   // said is set
	refused bool   // Redis does not say
	asked   redis.UniversalClient
	doubt   bool // the data may be others, and has not been compared yet
}

// check asks the servers, and sets doubt when they are not those of the last call. A Redis that does
// not say it is in doubt whenever it was away, or is asked over another client.
func (l *lineage) check(ctx context.Context, client redis.UniversalClient, wasAway bool) (refusal, err error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	said, err := ask(ctx, client)
	refused := redis.IsPermissionError(err) || isUnsupported(err)
	switch {
	case err != nil && !refused:
		return nil, err
	case l.known && (said != l.said || refused && (wasAway || client != l.asked)):
		l.doubt = true
	}
	if refused && !l.refused {
		refusal = err
	}
	*l = lineage{said: said, known: true, refused: refused, asked: client, doubt: l.doubt}
	return refusal, nil
}

// isUnsupported reports an answer to INFO of a server that is no whole Redis, such as the one that
// is embedded. All other errors begin with a word in capitals.
func isUnsupported(err error) bool {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return false
	}
	word, _, _ := strings.Cut(answer.Error(), " ")
	return word == "ERR" || word != strings.ToUpper(word)
}

// ask returns what tells the servers, and the histories of their data, from all others.
func ask(ctx context.Context, client redis.UniversalClient) (string, error) {
	masters, err := mastersOf(ctx, client)
	if err != nil {
		return "", err
	}
	all := make([]string, len(masters))
	for i, master := range masters {
		if all[i], err = askOne(ctx, master.client); err != nil {
			return "", err
		}
	}
	slices.Sort(all)
	return strings.Join(all, " "), nil
}

// askOne returns the id of a run of a server, and that of its data's history: a master that was a
// replica for a while has another one, even when it has not ended in between.
func askOne(ctx context.Context, client redis.Cmdable) (string, error) {
	pipe := client.Pipeline()
	server, replication := pipe.InfoMap(ctx, "server"), pipe.InfoMap(ctx, "replication")
	if _, err := pipe.Exec(ctx); err != nil {
		return "", err
	}
	return server.Item("Server", "run_id") + "/" + replication.Item("Replication", "master_replid"), nil
}

// master is one of the servers that share the keys.
type master struct {
	addr   string // empty when it is the only one
	client redis.Cmdable
}

// mastersOf returns the masters of a Redis Cluster in the order of their addresses, or the one
// server of a client.
func mastersOf(ctx context.Context, client redis.UniversalClient) ([]master, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return []master{{"", client}}, nil
	}
	var (
		mu      sync.Mutex
		masters []master
	)
	err := cluster.ForEachMaster(ctx, func(_ context.Context, one *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, master{one.Options().Addr, one})
		return nil
	})
	slices.SortFunc(masters, func(a, b master) int { return strings.Compare(a.addr, b.addr) })
	return masters, err
}
