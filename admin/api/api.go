package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"golang.org/x/sync/semaphore"

	"github.com/stompgw/stompgw/admin"
	"github.com/stompgw/stompgw/bus"
	"github.com/stompgw/stompgw/bus/seldom"
	"github.com/stompgw/stompgw/gateway"
	"github.com/stompgw/stompgw/gateway/auth"
	"github.com/stompgw/stompgw/gateway/policy"
	"github.com/stompgw/stompgw/gateway/problem"
)

// Bounds of what requests cost, together and each.
const (
	maxRequests    = 64               // that are answered at a time; more are told to come again
	maxBody        = 64 << 10         // bytes, where a route does not say more
	maxBodies      = 64 << 20         // bytes of all bodies, as they are sent; or a single one where that may have more
	bodyTimeout    = 10 * time.Second // for a body to arrive
	requestTimeout = 30 * time.Second // for an answer
)

// specPath is where the OpenAPI document is. It needs no key.
const (
	specPath  = "/v1/openapi.json"
	specRoute = "GET " + specPath
)

// API answers the requests of backends. Its methods may be called from any goroutine.
type API struct {
	cluster   *admin.Cluster
	publisher *admin.Publisher
	node      Node
	log       *slog.Logger

	mux      *http.ServeMux
	huma     huma.API
	spec     []byte // the OpenAPI document
	keys     atomic.Pointer[[]hashedKey]
	refused  seldom.Line         // a request, which strangers can cause at will
	failed   seldom.Line         // on our side
	requests chan struct{}       // holds one for each that is being answered
	bodies   *semaphore.Weighted // and of those, for each byte of their bodies
	metrics  metrics
}

// Node is what the API's node knows. Its functions return what currently counts; any goroutine calls them.
type Node struct {
	Rules  func() *policy.Catalogue
	Assume func(claims []byte) (*auth.Identity, error)         // whom a valid token with these claims, in JSON, would name
	Inbox  func(issuer, member string) (below string, _ error) // destination below which messages to a member go; issuer is empty for the only one

	// History reads what is kept of a destination, as gateway.Gateway does.
	History func(ctx context.Context, destination, after string, limit int) (gateway.HistoryPage, error)

	AsyncAPI func() json.Marshaler // what the rules let clients do, as a document

	Limit int // bytes that a message's body may have
}

// New returns an API over a cluster; its messages go to b. Nobody may use it before SetKeys. Close must follow.
func New(cluster *admin.Cluster, b bus.Bus, node Node, log *slog.Logger) *API {
	cluster = cluster.As("")
	cluster.Exact = true
	a := &API{
		cluster: cluster, publisher: admin.NewPublisher(b, cluster, node.Rules, node.Limit), node: node, log: log,
		mux: http.NewServeMux(), requests: make(chan struct{}, maxRequests),
		bodies:  semaphore.NewWeighted(max(maxBodies, maxPublish(node.Limit))),
		metrics: newMetrics(),
	}
	a.huma = humago.New(a.mux, a.config())
	a.huma.UseMiddleware(a.checkScope, a.holdBody)
	a.addPublish()
	a.addSessions()
	a.addMembers()
	a.addPresence()
	a.addHistory()
	a.addNodes()
	a.addPolicy()
	a.addAsyncAPI()
	a.addSpec()
	return a
}

// Close writes what is left for the log. Call it once no request is being answered.
func (a *API) Close() {
	a.refused.Close()
	a.failed.Close()
}

// config says how huma answers: with JSON alone, and with errors of ours in the place of its own.
func (a *API) config() huma.Config {
	format := huma.Format{Marshal: writeJSON, Unmarshal: readJSON}
	if !huma.ValidateStrictCasing {
		huma.ValidateStrictCasing = true // names are what the document says
	}
	c := huma.DefaultConfig("stompgw", gateway.Version)
	c.Info.Description = "What a backend asks of a STOMP gateway. A member is written as JSON: 7 is the number, \"7\" the text; in a path, percent-encoded: %227%22."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", "" // the document is served by addSpec
	c.CreateHooks = nil                                   // no $schema in answers
	c.RejectUnknownQueryParameters = true
	c.Formats = map[string]huma.Format{"application/json": format, "json": format}
	c.Transformers = []huma.Transformer{ownProblem}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{scheme: {Type: "http", Scheme: "bearer", Description: "the content of a key's file"}}
	return c
}

// readJSON reads what a request says. encoding/json would make other bytes of what is not UTF-8, and names Go's types.
func readJSON(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errors.New("it is not UTF-8")
	}
	err := json.Unmarshal(text, v)
	if whole, ok := v.(*any); ok {
		return errors.Join(err, checkNulls(*whole))
	}
	if fault, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := fault.Field[strings.LastIndex(fault.Field, ".")+1:]
		return fmt.Errorf("%s can't be a %s: want what the document says, a whole number without a point", field, fault.Value)
	}
	return err
}

// checkNulls refuses what is said to be nothing: huma takes it as left out, and of whom a program knows nothing is not everybody.
func checkNulls(v any) error {
	object, _ := v.(map[string]any)
	for name, value := range object {
		if value == nil {
			return fmt.Errorf("%.100s is null: leave it out, or say what it is", name)
		}
	}
	return nil
}

// writeJSON writes v. A client that has left is no concern.
func writeJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		w.Write(append(text, '\n'))
	}
	return err
}

// route is what is served at a path, besides what its types say.
type route struct {
	method, path string
	scope        Scope
	name         string // in the document, in words with - between them
	summary      string
	body         int64            // bytes that a request may have, default maxBody
	few          huma.Middlewares // what atMost returns, where fewer than maxRequests are answered at a time
}

// everyRoute are the statuses of errors that every route has.
func everyRoute() []int {
	return []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
}

// answer is an answer whose body is of type T.
type answer[T any] struct{ Body T }

// nothing is a request without a body, and without parameters.
type nothing struct{}

// add serves r with handle, whose errors become Problems.
func add[I, O any](a *API, r route, handle func(context.Context, *I) (O, error)) {
	var more []int // statuses of errors
	if _, has := reflect.TypeFor[I]().FieldByName("Body"); has {
		more = []int{http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
	}
	huma.Register(a.huma, a.operation(r, more...), func(ctx context.Context, in *I) (*answer[O], error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, a.problem(err, r.method == http.MethodGet)
		}
		return &answer[O]{out}, nil
	})
}

// operation is a route as huma knows it, with more statuses of errors than every route has.
func (a *API) operation(r route, more ...int) huma.Operation {
	op := huma.Operation{
		OperationID: r.name, Method: r.method, Path: r.path, Summary: r.summary,
		Security:     []map[string][]string{{scheme: {string(r.scope)}}},
		MaxBodyBytes: max(r.body, maxBody), BodyReadTimeout: bodyTimeout,
		Responses: map[string]*huma.Response{}, Middlewares: r.few,
	}
	for _, status := range append(everyRoute(), more...) {
		op.Responses[statusText(status)] = a.problemResponse(status)
	}
	return op
}

// addSpec serves the OpenAPI document of all routes that are there by now.
func (a *API) addSpec() {
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own, which ownProblem replaces
	delete(schemas, "ErrorDetail")
	live := schemas["Session"].Properties
	live["live"] = &huma.Schema{OneOf: []*huma.Schema{live["live"], {Type: "null"}}} // huma can't say so of a struct
	var err error
	if a.spec, err = json.MarshalIndent(a.huma.OpenAPI(), "", "  "); err != nil {
		panic("api: the OpenAPI document: " + err.Error()) // of our own types
	}
	a.mux.HandleFunc(specRoute, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(a.spec)
	})
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	_, pattern := a.mux.Handler(r)
	rec := &recorder{ResponseWriter: w}
	defer func() { a.metrics.note(pattern, rec.status, time.Since(began)) }()
	w.Header().Set("Cache-Control", "no-store")
	defer a.answerPanic(rec, pattern)
	if p := a.serve(rec, r, pattern); p != nil {
		refuse(p, rec, r)
	}
}

// answerPanic answers where a handler has failed, which is a fault of ours.
func (a *API) answerPanic(rec *recorder, pattern string) {
	fault := recover()
	if fault == nil {
		return
	}
	a.log.Error("the API failed on a request", "route", pattern, "err", fault, "stack", string(debug.Stack()))
	if rec.status == 0 {
		coded(http.StatusInternalServerError, policy.CodeInternal, errFailed).Write(rec)
	}
}

var errFailed = errors.New("the gateway failed on this request; its log says how")

// serve answers r, or returns why it does not.
func (a *API) serve(w http.ResponseWriter, r *http.Request, pattern string) *Problem {
	if pattern == specRoute {
		a.mux.ServeHTTP(w, r) // which waits for nobody but who reads it, and takes no place of others meanwhile
		return nil
	}
	key, p := a.keyFor(r)
	if p != nil {
		a.noteRefusal(r, p, "")
		return p
	}
	select {
	case a.requests <- struct{}{}:
		defer func() { <-a.requests }()
	default:
		return problem.Busy("too many requests at a time")
	}
	ctx, cancel := context.WithTimeout(withKey(r.Context(), key), requestTimeout)
	defer cancel()
	r = r.WithContext(ctx)
	if pattern == "" {
		return unrouted(a.mux, r)
	}
	if p := checkQuery(r); p != nil {
		return p
	}
	a.mux.ServeHTTP(w, r)
	return nil
}

// checkQuery refuses a parameter that is blank, as a script's empty variable makes it, or that stands twice: it would mean
// all, or the first.
func checkQuery(r *http.Request) *Problem {
	for name, values := range r.URL.Query() {
		if len(values) > 1 || values[0] == "" && name != "cursor" { // with which the first page begins
			return problem.Invalid("query.%.100s: want one value, or leave it out", name)
		}
	}
	return nil
}

// as returns the cluster, in whose logs the key of the request stands for what is done.
func (a *API) as(ctx context.Context) *admin.Cluster {
	return a.cluster.As("api key " + keyOf(ctx).Name)
}

// checkScope lets a request through whose key has the scope of the route.
func (a *API) checkScope(ctx huma.Context, next func(huma.Context)) {
	key, scope := keyOf(ctx.Context()), Scope(ctx.Operation().Security[0][scheme][0])
	if slices.Contains(key.Scopes, scope) {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	p := problem.New(http.StatusForbidden, "the key %s does not have the scope %s", key.Name, scope)
	a.noteRefusal(r, p, key.Name)
	refuse(p, w, r)
}

// atMost lets a request through while less than n others are being answered. Its body has not been read yet.
func atMost(n int, what string) huma.Middlewares {
	places := make(chan struct{}, n)
	return huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next(ctx)
		default:
			_, w := humago.Unwrap(ctx)
			problem.Busy("too many " + what + " at a time").Write(w)
		}
	}}
}

// holdBody lets a request through when there is room for its body, which is read next.
func (a *API) holdBody(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	size, limit := r.ContentLength, ctx.Operation().MaxBodyBytes
	if size < 0 || size > limit { // unknown, or more than is read of it
		size = limit
	}
	if !a.bodies.TryAcquire(size) {
		refuse(problem.Busy("too many bytes of bodies at a time"), w, r)
		return
	}
	defer a.bodies.Release(size)
	next(ctx)
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int // 0 for none yet
}

// WriteHeader takes the first status: ownProblem may know better than huma.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController, and for huma's deadlines.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
