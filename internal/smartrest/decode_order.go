package smartrest

import "slices"

// LogOrder is a part of a log that a device is to upload. The times are as they
// were sent, usually ISO 8601 with an offset without a colon (mqtt.md §5.2).
type LogOrder struct {
	Log, From, To string
	Search        string // empty: every line
	MaxLines      string // empty: the device's own bound
}

// orderFragments names the operation that a downstream line brings: the word
// that 501 to 503 want.
var orderFragments = map[string]string{
	TemplateRestart:            "c8y_Restart",
	TemplateCommand:            "c8y_Command",
	TemplateConfiguration:      "c8y_Configuration",
	TemplateFirmware:           "c8y_Firmware",
	TemplateSoftwareList:       "c8y_SoftwareList",
	TemplateMeasurementRequest: "c8y_MeasurementRequestOperation",
	TemplateRelay:              "c8y_Relay",
	TemplateRelayArray:         "c8y_RelayArray",
	TemplateUploadConfig:       "c8y_UploadConfigFile",
	TemplateDownloadConfig:     "c8y_DownloadConfigFile",
	TemplateLogfileRequest:     "c8y_LogfileRequest",
	TemplateCommunicationMode:  "c8y_CommunicationMode",
	TemplateDownloadTyped:      "c8y_DownloadConfigFile",
	TemplateFirmwarePatch:      "c8y_Firmware",
	TemplateUploadTyped:        "c8y_UploadConfigFile",
	TemplateProfile:            "c8y_DeviceProfile",
	TemplateSoftwareUpdate:     "c8y_SoftwareUpdate",
	TemplateSoftwareTyped:      "c8y_SoftwareUpdate",
	TemplateRemoteAccess:       "c8y_RemoteAccessConnect",
	TemplateProfileTyped:       "c8y_DeviceProfile",
	TemplateParameters:         "c8y_ParameterUpdate",
}

// OrderFragment returns the operation that lines of a downstream template
// bring, empty if they bring none.
func OrderFragment(templateID string) string { return orderFragments[templateID] }

// OrderTarget returns the external ID of the device that is to act.
func OrderTarget(l Line) string { return l.Field(0) }

// ParseFirmware reads a line of 515 or 525.
func ParseFirmware(l Line) FirmwareOrder {
	return FirmwareOrder{Name: l.Field(1), Version: l.Field(2), URL: l.Field(3),
		Patch: l.TemplateID == TemplateFirmwarePatch, Dependency: l.Field(4)}
}

// ParseSoftwareUpdate reads a line of 528 or 529. Items that are wholly empty do
// not count.
func ParseSoftwareUpdate(l Line) []SoftwareOrder {
	width := 4
	if l.TemplateID == TemplateSoftwareTyped {
		width = 5
	}
	var items []SoftwareOrder
	for i := 1; i < len(l.Fields); i += width {
		item := slices.Grow(slices.Clone(l.Fields[i:min(i+width, len(l.Fields))]), width)[:width]
		s := SoftwareOrder{Name: item[0], Version: item[1], URL: item[width-2], Action: item[width-1]}
		if width == 5 {
			s.Type = item[2]
		}
		if s != (SoftwareOrder{}) {
			items = append(items, s)
		}
	}
	return items
}

// ParseLog reads a line of 522.
func ParseLog(l Line) LogOrder {
	return LogOrder{Log: l.Field(1), From: l.Field(2), To: l.Field(3), Search: l.Field(4), MaxLines: l.Field(5)}
}
