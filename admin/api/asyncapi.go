package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (a *API) addAsyncAPI() {
	add(a, route{method: http.MethodGet, path: "/v1/asyncapi.json", scope: ScopeRead, name: "get-asyncapi",
		summary: "What clients can receive and send by the rules of this node, as an AsyncAPI 3.0 document", few: atMost(maxDocuments, "documents")}, a.describe)
}

// maxDocuments is how many are made at a time, each of all rules.
const maxDocuments = 4

// document is AsyncAPI, which another standard than ours describes.
type document struct{ json.Marshaler }

// Schema implements huma.SchemaProvider.
func (document) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "AsyncAPI 3.0"}
}

func (a *API) describe(context.Context, *nothing) (document, error) {
	return document{a.node.AsyncAPI()}, nil
}
