package server

import (
	"context"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mooring/server/account"
)

// readyWithin bounds the look at the store that /readyz takes.
const readyWithin = 2 * time.Second

// adminHandler serves /metrics, /healthz (the process lives) /readyz (it can
// serve: the store answers; and which key stores are away) and, with --debug, profiles.
func (s *Server) adminHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &statsCollector{s.services}, &listCollector{s.services.lists}, &noticeCollector{s.services}, s.services.keys)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if _, err := s.store.LastChange(ctx); err != nil {
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		// A server whose tokens are away serves what needs no key of them: it stays
		// ready.
		_, _ = w.Write([]byte(strings.Join(append([]string{"ready"}, s.services.keys.degraded()...), "\n") + "\n"))
	})
	if s.cfg.Debug {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// statsCollector reads the counters that the front ends keep in plain structs.
type statsCollector struct{ services *services }

var (
	descConnections = describe("mqtt_connections", "MQTT sessions that are established")
	descAccepted    = describe("mqtt_connects_accepted_total", "CONNECTs answered with 0")
	descRefused     = describe("mqtt_connects_refused_total", "CONNECTs refused, by return code", "code")
	descPublishes   = describe("mqtt_publishes_total", "publishes received")
	descAcked       = describe("mqtt_publishes_acknowledged_total", "QoS 1 and 2 publishes acknowledged: their data is durable")
	descFailures    = describe("mqtt_commit_failures_total", "publishes that could not be stored")
	descLineErrors  = describe("mqtt_line_errors_total", "SmartREST lines answered on s/e")
	descOverflows   = describe("mqtt_overflows_total", "connections closed because they did not read")
	descTurnedAway  = describe("mqtt_turned_away_total", "connections closed because too many were open or in their handshake")
	descWills       = describe("mqtt_wills_total", "wills carried out")
	descStalled     = describe("mqtt_stalled_total", "connections closed because they stood still: window, bytes in flight or rate")
	descTooFast     = describe("mqtt_too_fast_total", "connections closed because the device outran its rate")
	descDelayed     = describe("mqtt_delayed_total", "publishes that waited because their device was above its rate")
	descTakeovers   = describe("mqtt_takeovers_total", "connections closed because their device connected anew")
	descHandshakes  = describe("mqtt_handshake_failures_total", "connections that ended before their CONNECT was accepted")
	descHashes      = describe("password_hashes_total", "runs of argon2id, for people's passwords: devices cause none")
	descDelivered   = describe("mqtt_delivered_total", "messages sent to devices")
	descOperations  = describe("mqtt_operations_total", "operations sent to devices")
	descKicked      = describe("mqtt_kicked_total", "connections closed because their trust ended")
	descService     = describe("mqtt_service_connections", "clients of the MQTT Service that are connected")
	descServiceWait = describe("mqtt_service_queued_bytes", "what waits to be written to clients of the MQTT Service")
	descServiceAll  = describe("mqtt_service_total", "what happened on the MQTT Service", "event")
	descPresence    = describe("presence_devices", "devices in memory, those of them that are monitored, and connected ones without object", "kind")
	descPresenceAll = describe("presence_total", "reports written, devices missed and back, batches that failed", "event")
	descRefusals    = describe("refusals_total", "who was refused, by listener and reason", "door", "reason")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("mooring_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c *statsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descConnections, descAccepted, descRefused, descPublishes, descAcked,
		descFailures, descLineErrors, descOverflows, descKicked, descRefusals, descWills, descTurnedAway, descStalled,
		descTooFast, descDelayed, descTakeovers, descDelivered, descOperations, descHandshakes, descHashes, descService, descServiceWait, descServiceAll,
		descPresence, descPresenceAll} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *statsCollector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	stats := c.services.mqtt.Stats()
	ch <- prometheus.MustNewConstMetric(descConnections, prometheus.GaugeValue, float64(stats.Connections))
	count(descAccepted, stats.Accepted)
	for code, n := range stats.Refused {
		if n > 0 {
			count(descRefused, n, string(rune('0'+code)))
		}
	}
	count(descPublishes, stats.Publishes)
	count(descAcked, stats.Acknowledged)
	count(descFailures, stats.CommitFailures)
	count(descLineErrors, stats.LineErrors)
	count(descOverflows, stats.Overflows)
	count(descKicked, stats.Kicked)
	count(descTurnedAway, stats.TurnedAway)
	count(descWills, stats.Wills)
	count(descStalled, stats.Stalled)
	count(descTooFast, stats.TooFast)
	count(descDelayed, stats.Delayed)
	count(descTakeovers, stats.Takeovers)
	count(descDelivered, stats.Delivered)
	count(descOperations, stats.Operations)
	count(descHandshakes, stats.HandshakeFailures)
	count(descHashes, account.Hashes())
	c.collectService(ch, count)
	c.collectPresence(ch, count)
	for k, n := range c.services.refusals.Counts() {
		count(descRefusals, int64(n), k.Door, string(k.Reason))
	}
}

// collectService reads the counters of the MQTT Service.
func (c *statsCollector) collectService(ch chan<- prometheus.Metric, count func(*prometheus.Desc, int64, ...string)) {
	stats := c.services.service.Stats()
	ch <- prometheus.MustNewConstMetric(descService, prometheus.GaugeValue, float64(stats.Connections))
	ch <- prometheus.MustNewConstMetric(descServiceWait, prometheus.GaugeValue, float64(stats.Queued))
	for event, n := range map[string]int64{
		"accepted": stats.Accepted, "refused": stats.Refused, "turned_away": stats.TurnedAway, "takeover": stats.Takeovers,
		"kicked": stats.Kicked, "publish": stats.Publishes, "rejected": stats.Rejected, "delivered": stats.Delivered,
		"dropped": stats.Dropped, "overflow": stats.Overflows, "too_fast": stats.TooFast, "too_large": stats.TooLarge,
		"malformed": stats.Malformed, "unstored": stats.Unstored, "keep_alive": stats.KeepAliveOut,
	} {
		count(descServiceAll, n, event)
	}
}

// collectPresence reads the counters of the presence of devices.
func (c *statsCollector) collectPresence(ch chan<- prometheus.Metric, count func(*prometheus.Desc, int64, ...string)) {
	stats := c.services.presence.Stats()
	for kind, n := range map[string]int{"known": stats.Devices, "monitored": stats.Monitored, "waiting": stats.Waiting} {
		ch <- prometheus.MustNewConstMetric(descPresence, prometheus.GaugeValue, float64(n), kind)
	}
	for event, n := range map[string]int64{"written": stats.Written, "missed": stats.Missed, "back": stats.Returned, "failed": stats.Failures} {
		count(descPresenceAll, n, event)
	}
}
