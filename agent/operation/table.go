package operation

import (
	"strconv"
	"strings"
	"time"

	"mooring/agent/config"
	"mooring/internal/smartrest"
)

// The operations. The last but one is ours, for lack of one of the platform's.
const (
	Restart             = "c8y_Restart"
	UploadConfig        = "c8y_UploadConfigFile"
	DownloadConfig      = "c8y_DownloadConfigFile"
	LogfileRequest      = "c8y_LogfileRequest"
	Firmware            = "c8y_Firmware"
	SoftwareUpdate      = "c8y_SoftwareUpdate"
	Command             = "c8y_Command"
	RenewCertificate    = "mooring_RenewCertificate"
	MeasurementInterval = "c8y_MeasurementPollFrequencyOperation"
)

const (
	lookLimit    = 15 * time.Minute
	restartLimit = 15 * time.Minute
	renewLimit   = 30 * time.Minute
	// transferLimit bounds a download; a slow line may need a day.
	transferLimit = 48 * time.Hour
	// margin is between the helper's limit and ours.
	margin = 10 * time.Minute
)

// table holds what the configuration allows.
func (m *Manager) table() map[string]*verb {
	o, t := m.cfg.Operations, map[string]*verb{}
	if o.Restart {
		t[Restart] = &verb{laneChange, restartLimit, m.restart}
	}
	if len(o.Configuration.Files) > 0 {
		t[UploadConfig] = &verb{laneLook, lookLimit, m.uploadConfig}
		t[DownloadConfig] = &verb{laneChange, transferLimit, m.downloadConfig}
	}
	if len(o.Log.Files) > 0 {
		t[LogfileRequest] = &verb{laneLook, lookLimit, m.readLog}
	}
	if o.Firmware.Plugin != "" {
		t[Firmware] = &verb{laneChange, transferLimit + time.Duration(o.Firmware.Timeout), m.firmware}
	}
	if len(o.Software.Types) > 0 {
		t[SoftwareUpdate] = &verb{laneChange, transferLimit + time.Duration(o.Software.Timeout), m.software}
	}
	if len(o.Shell.Commands) > 0 {
		t[Command] = &verb{laneChange, time.Duration(o.Shell.Timeout) + margin, m.command}
	}
	if o.Renew && m.cfg.Identity != nil {
		t[RenewCertificate] = &verb{laneLook, renewLimit, m.renew}
	}
	if o.MeasurementInterval && m.cfg.SetInterval != nil {
		t[MeasurementInterval] = &verb{laneLook, lookLimit, m.interval}
	}
	return t
}

// order is how operations are announced.
var order = []string{Restart, UploadConfig, DownloadConfig, LogfileRequest, Firmware, SoftwareUpdate, Command, RenewCertificate, MeasurementInterval}

// Hello lists what the device announces on each connection: its operations
// (114, with those of other programs), logs (118), configurations (119) and
// types of software (143); contract mqtt.md §4.2.
func (m *Manager) Hello() []string {
	names := append([]string(nil), m.cfg.Others...)
	for _, name := range order {
		if m.verbs[name] != nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	o := m.cfg.Operations
	lines := []string{listLine("114", names)}
	for _, l := range []struct {
		template string
		names    []string
	}{{"118", config.Names(o.Log.Files)}, {"119", config.Names(o.Configuration.Files)}, {"143", o.Software.Types}} {
		if len(l.names) > 0 {
			lines = append(lines, listLine(l.template, l.names))
		}
	}
	return lines
}

func listLine(template string, fields []string) string {
	return string(smartrest.AppendLine(nil, append([]string{template}, fields...)...))
}

// parseSeconds reads a number of seconds, which may have come as a text.
func parseSeconds(text string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return time.Duration(n) * time.Second, err == nil && n >= 0 && n <= 7*24*3600
}
