package telemetry

import (
	"context"
	"slices"
	"strings"

	"mooring/server/platform"
)

// Options reads settings of tenants.
type Options interface {
	Option(ctx context.Context, tenant platform.TenantID, key platform.OptionKey) (value string, set bool, err error)
}

// AlarmWatcher hears of which objects alarms changed. Changed neither blocks nor
// fails.
type AlarmWatcher interface {
	Changed(tenant platform.TenantID, source platform.ID)
}

// mappingCategory has an option for a type of alarms: "SEVERITY|text" replaces
// what is not empty, and the severity NONE suppresses the alarm (vendor's
// OpenAPI document, default tenant options).
const mappingCategory = "alarm.type.mapping"

// mapped is alarms as the tenant wants them; the list it is given stays as it is.
func (s *Service) mapped(tenant platform.TenantID, alarms []platform.Alarm) []platform.Alarm {
	if s.options == nil {
		return alarms
	}
	copied := false
	for i := len(alarms) - 1; i >= 0; i-- {
		rule, set, err := s.options.Option(context.Background(), tenant, platform.OptionKey{Category: mappingCategory, Key: alarms[i].Type})
		if err != nil || !set {
			continue // an alarm as it was sent is better than none
		}
		if !copied {
			alarms, copied = slices.Clone(alarms), true
		}
		severity, text, _ := strings.Cut(rule, "|")
		switch severity = strings.ToUpper(strings.TrimSpace(severity)); platform.Severity(severity) {
		case "NONE":
			alarms = slices.Delete(alarms, i, i+1)
			continue
		case platform.Critical, platform.Major, platform.Minor, platform.Warning:
			alarms[i].Severity = platform.Severity(severity)
		}
		if text != "" && len(text) <= MaxTextBytes {
			alarms[i].Text = text
		}
	}
	return alarms
}

// watched tells of the sources whose alarms a batch may have changed.
func (s *Service) watched(b *platform.Batch, err error) {
	if s.watcher == nil || err != nil {
		return
	}
	for i := range b.Alarms {
		s.watcher.Changed(b.Tenant, b.Alarms[i].Source)
	}
	for i := range b.AlarmChanges {
		s.watcher.Changed(b.Tenant, b.AlarmChanges[i].Source)
	}
}

// watchedAlarms tells of the sources of alarms that changed.
func (s *Service) watchedAlarms(tenant platform.TenantID, alarms ...platform.Alarm) {
	if s.watcher == nil {
		return
	}
	for i := range alarms {
		s.watcher.Changed(tenant, alarms[i].Source)
	}
}
