package api_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// document is the OpenAPI document, and a validator that holds answers against it.
var document = sync.OnceValues(func() (validator.Validator, error) {
	doc, err := libopenapi.NewDocument(spec())
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

// conforms reports an answer that is not as the document says.
func conforms(t *testing.T, req *http.Request, resp *http.Response, body string) {
	t.Helper()
	v, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusMethodNotAllowed || resp.Header.Get("Content-Type") == "application/x-ndjson" || req.URL.Path == "/v1/nothing" || req.URL.Path == "/v1/openapi.json" {
		return // the document has no routes that there are not, and the validator no lines
	}
	copied := *resp
	copied.Body = io.NopCloser(bytes.NewReader([]byte(body)))
	if ok, errs := v.ValidateHttpResponse(req, &copied); !ok {
		for _, e := range errs {
			t.Errorf("%s %s: %d %s\nis not what the document says: %s: %s", req.Method, req.URL, resp.StatusCode, body, e.Message, e.Reason)
		}
	}
}

// TestOpenAPI: the document is one of OpenAPI 3.1, by a validator of others, and has each route that there is.
func TestOpenAPI(t *testing.T) {
	v, err := document()
	if err != nil {
		t.Fatal(err)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s", e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				t.Error(s.Reason)
			}
		}
	}
	r := newRigOn(t, unreachable(t))
	resp := r.ask(t, "", http.MethodGet, "/v1/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ Security []map[string][]string }
	}
	wantJSON(t, resp, http.StatusOK, &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("OpenAPI %s", doc.OpenAPI)
	}
	var described []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			described = append(described, method+" "+path)
			if len(op.Security) != 1 || len(op.Security[0]["key"]) != 1 {
				t.Errorf("%s %s needs no scope", method, path)
			}
		}
	}
	slices.Sort(described)
	if served := routesInCode(t); !slices.Equal(described, served) {
		t.Errorf("the document has %q\nserved are %q", described, served)
	}
}

// routesInCode are those that the package's files add.
func routesInCode(t *testing.T) (routes []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	adds := regexp.MustCompile(`route\{method: http\.Method(\w+), path: "([^"]+)"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range adds.FindAllStringSubmatch(string(text), -1) {
			routes = append(routes, string(bytes.ToLower([]byte(m[1])))+" "+m[2])
		}
	}
	slices.Sort(routes)
	return routes
}
