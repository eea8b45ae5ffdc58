package server

import "github.com/prometheus/client_golang/prometheus"

// noticeCollector reads the counters of notifications.
type noticeCollector struct{ services *services }

var (
	descNotices   = describe("notifications_total", "notices posted, events heard by real-time listeners, messages stored for, sent to and dropped before consumers, broadcasts to other nodes", "event")
	descConsumers = describe("notification_consumers", "consumers of Notification 2.0 that are connected")
	descRealtime  = describe("realtime_sessions", "sessions of the real-time API")
	descUnread    = describe("realtime_overflows_total", "sessions of the real-time API ended because they did not read")
)

// Describe implements prometheus.Collector.
func (c *noticeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descNotices, descConsumers, descRealtime, descUnread} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *noticeCollector) Collect(ch chan<- prometheus.Metric) {
	stats, realtime := c.services.notices.Stats(), c.services.realtime.Stats()
	for event, n := range map[string]int64{"posted": stats.Posted, "heard": stats.Heard, "stored": stats.Stored, "sent": stats.Sent,
		"dropped": stats.Dropped, "broadcast": stats.Broadcasts} {
		ch <- prometheus.MustNewConstMetric(descNotices, prometheus.CounterValue, float64(n), event)
	}
	ch <- prometheus.MustNewConstMetric(descConsumers, prometheus.GaugeValue, float64(stats.Consumers))
	ch <- prometheus.MustNewConstMetric(descRealtime, prometheus.GaugeValue, float64(realtime.Sessions))
	ch <- prometheus.MustNewConstMetric(descUnread, prometheus.CounterValue, float64(realtime.Overflows))
}
