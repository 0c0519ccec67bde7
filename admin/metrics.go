package admin

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/registry/redisregistry"
)

const (
	maxScrapes    = 4               // that are answered at a time; more are told to come again
	scrapeTimeout = 5 * time.Second // for the figures; nothing that they come from waits
)

// metrics answers GET /metrics in the text format of Prometheus, or in another that the scraper
// asks for. What can't be told is logged and left out.
func metrics(figures func() gateway.Figures, log *slog.Logger, parts []Part) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister( // it can only fail for a metric that two of them have
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		node{figures, parts},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		DisableCompression:  true,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
	})
}

// node makes metrics of a node's figures when it is scraped, so that what counts them knows
// nothing of Prometheus.
type node struct {
	figures func() gateway.Figures
	parts   []Part
}

// Describe implements prometheus.Collector. It says nothing in advance: which partitions there are
// is known when Collect asks.
func (n node) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (n node) Collect(ch chan<- prometheus.Metric) {
	s := scrape{ch}
	f := n.figures()
	s.gauge("build_info", "Always 1; its label says what runs.", 1, "version", gateway.Version)
	for _, p := range n.parts {
		p.collect(s)
	}
	s.gauge("ready", "1 while /readyz says that the node is ready, else 0.", oneIf(look(partsOf[Check](n.parts)).ready()))
	collectClients(s, f)
	collectHistory(s, f)
	collectPresence(s, f.Presence)
	collectTokens(s, f)
	s.gauge("bus_up", "1 while the broker answers, else 0.", oneIf(f.BusError == nil))
	if f.Bus != nil {
		collectBus(s, *f.Bus)
	}
}

func (c Check) collect(s scrape) {
	s.gauge("check_passes", "1 for each check of /readyz that passes, else 0.", oneIf(c.Err() == nil), "check", c.Name)
}

// collectClients tells what the node has to do with its clients.
func collectClients(s scrape, f gateway.Figures) {
	s.gauge("sessions", "STOMP sessions, between CONNECT and their end.", float64(f.Sessions))
	s.gauge("connections", "Connections, including those without a session.", float64(f.Connections))
	s.counter("frames_received_total", "Frames received from clients, not counting heart-beats.", f.Frames)
	s.counter("sends_published_total", "SENDs given to the bus.", f.Published)
	s.counter("messages_delivered_total", "MESSAGEs handed to sessions, including refusals.", f.Delivered)
	s.counter("messages_oversized_total", "Messages from the bus not delivered because they are larger than limits.outbound.", f.Oversized)
	s.counter("message_headers_left_out_total", "Headers of messages from the bus left out because a MESSAGE can't have them.", f.LeftOut)
	s.counter("messages_unpackable_total", "MESSAGEs not delivered to a client whose transport can't carry them: SockJS and a body that is not UTF-8.", f.Unpackable)
	for _, e := range policy.Codes() {
		s.counter("refusals_total", "Frames that were refused, by the code that the client is told.",
			f.Refused[e.Code], "code", strconv.Itoa(int(e.Code)), "word", e.Word)
	}
	s.counter("refusals_total", "Frames that were refused, by the code that the client is told.", f.RefusedOther, "code", "0", "word", "refused")
	for _, limit := range slices.Sorted(maps.Keys(f.Exceeded)) {
		s.counter("sends_over_limit_total", "SENDs over a limit, by the limit: a session's to one channel, all of a session, or all of the node.", f.Exceeded[limit], "limit", limit)
	}
	s.counter("sends_dropped_total", "SENDs over a limit that were dropped without telling the client.", f.Dropped)
	s.counter("refusals_unheard_total", "Refusals for sessions that are not subscribed to the error destination.", f.Unheard)
	s.counter("protocol_faults_total", "Connections closed with an ERROR because of a protocol fault.", f.Faults)
	s.counter("slow_closes_total", "Sessions closed because they did not read, or acknowledge, fast enough.", f.SlowCloses)
	s.counter("hung_closes_total", "Sessions closed because their client hung: the connection was alive, but sent no heart-beats.", f.HungCloses)
	s.counter("sessions_kicked_total", "Sessions ended by an operator, or because their member had too many.", f.Kicked)
	s.counter("blocked_attempts_total", "CONNECTs and other frames of members that an operator has blocked.", f.Blocked)
	s.counter("nacks_total", "NACKs received, which redeliver nothing.", f.Nacks)
}

// collectHistory tells what the node keeps of what was published, and who could go on where he was.
func collectHistory(s scrape, f gateway.Figures) {
	s.gauge("history_destinations", "Destinations whose messages the node keeps, or has kept.", float64(f.History.Rings))
	s.gauge("history_messages", "Messages kept for clients that come back.", float64(f.History.Messages))
	s.gauge("history_bytes", "Bytes that these messages take, at most history.memory.", float64(f.History.Bytes))
	s.counter("history_evicted_total", "Messages dropped before their time because history.memory was used up.", f.History.Evicted)
	s.counter("history_replayed_total", "MESSAGEs sent from what was kept.", f.Replayed)
	for _, outcome := range slices.Sorted(maps.Keys(f.Resumed)) {
		s.counter("history_resumes_total", "SUBSCRIBEs with a position, by outcome: recovered, or why not.", f.Resumed[outcome], "outcome", outcome)
	}
}

// collectPresence tells who is in rooms, and what it takes to know that of all nodes.
func collectPresence(s scrape, f gateway.PresenceFigures) {
	s.gauge("presence_rooms", "Rooms with somebody who is connected to this node.", float64(f.Rooms))
	s.gauge("presence_members", "Members in these rooms, counted once per room.", float64(f.Members))
	s.gauge("presence_viewed_rooms", "Rooms whose presence clients of this node see.", float64(f.Views))
	s.gauge("presence_viewers", "Subscriptions to the presence of a room.", float64(f.Viewers))
	s.counter("presence_questions_total", "Questions to other nodes about who is there.", f.Asked)
	s.counter("presence_gaps_total", "Times that something was missing from what another node reported, so that it was asked again.", f.Gaps)
	s.counter("presence_ignored_total", "Messages and answers about presence that no live node sent.", f.Ignored)
}

// collectTokens tells what became of the tokens that clients brought.
func collectTokens(s scrape, f gateway.Figures) {
	t := f.Tokens
	s.counter("tokens_verified_total", "Tokens verified because no verdict was in memory.", t.Verified)
	s.counter("tokens_known_total", "Tokens whose verdict was in memory.", t.Known)
	s.counter("tokens_refused_total", "Tokens refused, including those whose verdict was in memory.", t.Refused)
	s.counter("tokens_revoked_total", "Tokens refused because they are revoked.", t.Revoked)
	s.counter("revocations_away_total", "Times that the list of revoked tokens could not be reached, so that its last answer stood.", t.ListAway)
	s.counter("messages_withheld_total", "MESSAGEs not delivered to a subscription whose login has lapsed.", f.Withheld)
}

// collectBus tells what the node has to do with its broker.
func collectBus(s scrape, f bus.Figures) {
	s.gauge("bus_queued_envelopes", "Envelopes published that the broker has not confirmed yet.", float64(f.Queued))
	s.counter("bus_reconnects_total", "Times that the connection to the broker was lost and restored.", f.Reconnects)
	s.counter("bus_missed_envelopes_total", "Envelopes for this node that it knows it has missed.", f.Missed)
	s.counter("bus_gaps_total", "Times that the broker had removed messages that this node had not read.", f.Gaps)
	s.counter("bus_repeated_envelopes_total", "Envelopes dropped because they had already arrived.", f.Repeated)
	s.counter("bus_skipped_messages_total", "Messages from the broker that can't be understood.", f.Skipped)
	s.gauge("bus_past_messages", "Messages from before the node's start that it has yet to read for its history.", float64(f.Past))
	for _, p := range f.Partitions {
		labels := []string{"topic", p.Topic, "partition", strconv.Itoa(p.Partition)}
		s.gauge("bus_partition_lag_messages", "Messages that the broker has and this node has not read.", float64(p.Lag), labels...)
		s.gauge("bus_partition_fetch_age_seconds", "Time since the broker last answered a fetch.", p.Age.Seconds(), labels...)
	}
	for _, target := range f.Targets {
		s.gauge("bus_target_up", "1 while the broker has this topic of a route's backend, else 0.", oneIf(target.Err == nil), "topic", target.Topic)
	}
	for _, source := range f.Sources {
		s.gauge("bus_source_up", "1 while the node reads this source of the bus, else 0.", oneIf(source.Err == nil), "topic", source.Topic)
	}
}

// scrape is where the metrics of one scrape go.
type scrape struct{ ch chan<- prometheus.Metric }

func (s scrape) gauge(name, help string, value float64, labels ...string) {
	s.send(name, help, prometheus.GaugeValue, value, labels)
}

func (s scrape) counter(name, help string, value uint64, labels ...string) {
	s.send(name, help, prometheus.CounterValue, float64(value), labels)
}

// send takes labels as names and values in turn.
func (s scrape) send(name, help string, kind prometheus.ValueType, value float64, labels []string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	desc := prometheus.NewDesc("stompgw_"+name, help, names, nil)
	m, err := prometheus.NewConstMetric(desc, kind, value, values...)
	if err != nil { // a label that is not UTF-8
		m = prometheus.NewInvalidMetric(desc, err)
	}
	s.ch <- m
}

func oneIf(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}

// RegistryFigures returns the figures of the node's sessions in Redis. It must not block.
type RegistryFigures func() redisregistry.Figures

func (r RegistryFigures) collect(s scrape) {
	f := r()
	s.gauge("registry_up", "1 while Redis accepts the sessions, else 0.", oneIf(!f.Away))
	s.gauge("registry_sessions", "Sessions that this node publishes in Redis.", float64(f.Sessions))
	s.gauge("registry_waiting", "Changes of sessions that Redis does not have yet.", float64(f.Waiting))
	s.counter("registry_rewritten_total", "Sessions written again because Redis had lost them.", f.Rewritten)
	s.counter("registry_swept_nodes_total", "Dead nodes whose leftovers in Redis this node removed.", f.Swept)
}

func (c *Control) collect(s scrape) {
	s.counter("control_requests_total", "Requests of operators over Redis that were answered.", c.answered.Load())
	s.counter("control_malformed_total", "Messages over Redis that are not an operator's request.", c.malformed.Load())
	s.counter("control_dropped_total", "Requests of operators dropped because too many came at once.", c.dropped.Load())
}

// collect of nil, of a node without a limit, tells nothing.
func (l *MemberLimit) collect(s scrape) {
	if l == nil {
		return
	}
	s.counter("member_limit_kicked_total", "Sessions that this node ended, on any node, because their member had too many.", l.kicked.Load())
	s.counter("member_limit_unchecked_total", "Times that a member's sessions could not be counted, because Redis was away, a node was silent or too many came at once.", l.unchecked.Load())
}

// Certificates returns the certificate files that the node uses. It must not block.
type Certificates func() []Certificate

// Certificate is one of those files.
type Certificate struct {
	Key, File string // the setting that names the file, and the file's name
	Expires   time.Time
}

func (list Certificates) collect(s scrape) {
	for _, c := range list() {
		s.gauge("certificate_expiry_seconds", "Time until a certificate expires, below 0 once it has.",
			time.Until(c.Expires).Seconds(), "key", c.Key, "file", c.File)
	}
}

// Collectors report in Prometheus' own terms. Their metrics must have unique names.
type Collectors []prometheus.Collector

func (list Collectors) collect(s scrape) {
	for _, c := range list {
		c.Collect(s.ch)
	}
}
