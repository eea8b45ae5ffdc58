package telemetry

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"mooring/internal/durable"
	"mooring/internal/smartrest"
)

const (
	alarmType = "mooring_CertificateExpiry"
	alarmFile = "expiry-alarm"
	// checkEvery is how often the certificate is looked at.
	checkEvery = time.Hour
	// criticalPart of a certificate's life is when nothing but an expiry comes
	// next: renewal then ignores whatever keeps it back (design: 1/20).
	criticalPart = 1.0 / 20
)

// The levels of the alarm, as its file has them.
const (
	none     = ""
	major    = "major"
	critical = "critical"
)

// Validity is that of the device's certificate.
type Validity struct{ NotBefore, NotAfter time.Time }

func (v Validity) level(now time.Time, part float64) string {
	left, life := v.NotAfter.Sub(now).Seconds(), v.NotAfter.Sub(v.NotBefore).Seconds()
	switch {
	case part <= 0 || left >= life*part:
		return none
	case left < life*criticalPart:
		return critical
	}
	return major
}

// alarm lines that lead from one level to another. An alarm that is active is not
// raised a second time: its severity changes.
func alarmLines(before, after string, notAfter time.Time) []byte {
	line := func(fields ...string) []byte { return smartrest.AppendLine(nil, fields...) }
	text := "The certificate of the device expires on " + notAfter.UTC().Format("2006-01-02 15:04 MST") + " and has not been renewed"
	switch {
	case after == none:
		return line("306", alarmType)
	case before == none && after == major:
		return line("302", alarmType, text)
	case before == none:
		return line("301", alarmType, text)
	case after == critical:
		return line("305", alarmType, "CRITICAL")
	}
	return line("305", alarmType, "MAJOR")
}

// checkExpiry raises and clears the alarm. What was raised is noted on the disk,
// so that a restart neither repeats nor forgets it.
func (t *Telemetry) checkExpiry() {
	now, trusted := t.cfg.Now()
	v, ok := t.cfg.Certificate()
	if !ok || !trusted {
		return
	}
	path := filepath.Join(t.cfg.Dir, alarmFile)
	before, err := t.raised(path)
	if err != nil {
		t.log.Warn("the note of the expiry alarm cannot be read", "err", err)
	}
	after := v.level(now, t.cfg.ExpiryAlarm)
	if after == before {
		return
	}
	if _, err := t.cfg.Publish(topicUp, alarmLines(before, after, v.NotAfter), 1); err != nil {
		t.log.Warn("the expiry alarm cannot be published", "err", err)
		return
	}
	t.log.Info("certificate expiry", "alarm", after, "before", before, "not_after", v.NotAfter)
	if after == none {
		err = durable.Remove(t.cfg.FS, path)
	} else {
		err = durable.WriteFile(t.cfg.FS, path, []byte(after), 0o600)
	}
	if err != nil {
		t.log.Warn("the expiry alarm cannot be noted", "err", err)
	}
}

func (t *Telemetry) raised(path string) (string, error) {
	text, err := t.cfg.FS.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return none, nil
	case err != nil:
		return none, err
	case string(text) == critical:
		return critical, nil
	}
	return major, nil // whatever it says, something was raised
}
