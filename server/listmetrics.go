package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"mooring/server/crlcheck"
	"mooring/server/platform"
)

// listCollector reads what the check of the issuers' revocation lists has done.
type listCollector struct{ lists *crlcheck.Checker }

var (
	descLists        = describe("crl_lists", "revocation lists of issuers that are kept")
	descListSerials  = describe("crl_serials", "revoked serials on the lists that are kept")
	descListFetching = describe("crl_fetches_running", "fetches of revocation lists that run")
	descListFetches  = describe("crl_fetches_total", "fetches of revocation lists, by outcome", "outcome")
	descListAnswers  = describe("crl_answers_total", "what lists said to handshakes", "state")
)

// listStates are the labels of what a list can say.
var listStates = map[platform.ListState]string{platform.ListUnknown: "unknown", platform.ListGood: "good", platform.ListRevoked: "revoked"}

// Describe implements prometheus.Collector.
func (c *listCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLists, descListSerials, descListFetching, descListFetches, descListAnswers} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *listCollector) Collect(ch chan<- prometheus.Metric) {
	stats := c.lists.Stats()
	for d, n := range map[*prometheus.Desc]int{descLists: stats.Lists, descListSerials: stats.Serials, descListFetching: stats.Fetching} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n))
	}
	ch <- prometheus.MustNewConstMetric(descListFetches, prometheus.CounterValue, float64(stats.Fetched), "fetched")
	ch <- prometheus.MustNewConstMetric(descListFetches, prometheus.CounterValue, float64(stats.Failed), "failed")
	for state, n := range stats.Answers {
		ch <- prometheus.MustNewConstMetric(descListAnswers, prometheus.CounterValue, float64(n), listStates[state])
	}
}
