package telemetry

import (
	"io/fs"
	"math"
	"strconv"
	"time"

	"mooring/agent/spool"
	"mooring/internal/smartrest"
)

// measurementType is that of the one measurement that has all values.
const measurementType = "mooring_Telemetry"

// disk is in bytes.
type disk struct{ total, free uint64 }

// meter makes rates of what the kernel counts.
type meter struct {
	fs      fs.FS
	cpu     cpu
	network network
	at      time.Time // of the last look; zero: there was none
}

// values collects series as the fields of a line of template 201.
type values struct{ fields []string }

func (v *values) add(fragment, series string, value float64, unit string) {
	v.fields = append(v.fields, fragment, series, strconv.FormatFloat(math.Round(value*100)/100, 'f', -1, 64), unit)
}

// look adds what can be read. now has the monotonic clock, so that rates bear a
// wall clock that jumps.
func (m *meter) look(v *values, now time.Time) {
	before := *m
	m.at = now
	if c, ok := readCPU(m.fs); ok {
		m.cpu = c
		if before.cpu.total > 0 && c.total > before.cpu.total && c.busy >= before.cpu.busy {
			v.add("c8y_CPUMeasurement", "Workload", 100*float64(c.busy-before.cpu.busy)/float64(c.total-before.cpu.total), "%")
		}
	}
	if mem, ok := readMemory(m.fs); ok {
		v.add("c8y_MemoryMeasurement", "Used", mebi(mem.total-mem.available), "MiB")
		v.add("c8y_MemoryMeasurement", "Total", mebi(mem.total), "MiB")
	}
	if n, ok := readNetwork(m.fs); ok {
		m.network = n
		seconds := now.Sub(before.at).Seconds()
		if !before.at.IsZero() && seconds > 0 && n.received >= before.network.received && n.sent >= before.network.sent {
			v.add("c8y_NetworkMeasurement", "Received", float64(n.received-before.network.received)/seconds, "B/s")
			v.add("c8y_NetworkMeasurement", "Sent", float64(n.sent-before.network.sent)/seconds, "B/s")
		}
	}
	if t, ok := readTemperature(m.fs); ok {
		v.add("c8y_TemperatureMeasurement", "T", t, "C")
	}
}

func mebi(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

func (v *values) disk(d disk) {
	v.add("c8y_DiskMeasurement", "Used", mebi(d.total-min(d.free, d.total)), "MiB")
	v.add("c8y_DiskMeasurement", "Total", mebi(d.total), "MiB")
}

func (v *values) spool(s spool.Stats) {
	const fragment = "mooring_Spool"
	v.add(fragment, "Waiting", float64(s.Messages), "")
	v.add(fragment, "Size", float64(s.Bytes)/1024, "KiB")
	v.add(fragment, "DroppedForRoom", float64(s.Dropped.Full), "")
	v.add(fragment, "DroppedForAge", float64(s.Dropped.Expired), "")
	v.add(fragment, "Refused", float64(s.Dropped.Refused), "")
}

func (v *values) certificate(left time.Duration) {
	v.add("mooring_Certificate", "DaysLeft", left.Hours()/24, "d")
}

// line is empty if there are no values. The time is that of the arrival, or of
// publishing if it comes late.
func (v *values) line() []byte {
	if len(v.fields) == 0 {
		return nil
	}
	return smartrest.AppendLine(nil, append([]string{"201", measurementType, ""}, v.fields...)...)
}
