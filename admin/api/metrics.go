package api

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stompgw/stompgw/admin"
)

// metrics are those of requests, by the pattern of the route ("" for none) and the status.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics() metrics {
	labels := []string{"route", "status"}
	return metrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stompgw_api_requests_total", Help: "Requests from backends that were answered."}, labels),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "stompgw_api_request_seconds", Help: "Time from a backend's request to the end of its response."}, labels),
	}
}

// note counts an answer. One without a status is that of a handler that has failed.
func (m metrics) note(pattern string, status int, took time.Duration) {
	labels := []string{cmp.Or(pattern, "none"), strconv.Itoa(cmp.Or(status, http.StatusInternalServerError))}
	m.requests.WithLabelValues(labels...).Inc()
	m.seconds.WithLabelValues(labels...).Observe(took.Seconds())
}

// Metrics returns what /metrics reports about the API.
func (a *API) Metrics() admin.Collectors {
	return admin.Collectors{a.metrics.requests, a.metrics.seconds}
}
