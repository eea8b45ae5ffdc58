package smartrest

// Downstream templates of operations on s/ds (mqtt.md §5.2). The first field
// after the template ID is the external ID of the device that is to act.
const (
	TemplateRestart            = "510" // no further field
	TemplateCommand            = "511" // text
	TemplateConfiguration      = "513" // configuration
	TemplateFirmware           = "515" // see AppendFirmware
	TemplateSoftwareList       = "516" // see AppendSoftwareList
	TemplateMeasurementRequest = "517" // request name
	TemplateRelay              = "518" // state: OPEN or CLOSED
	TemplateRelayArray         = "519" // state, …
	TemplateUploadConfig       = "520" // no further field
	TemplateDownloadConfig     = "521" // URL
	TemplateLogfileRequest     = "522" // log, from, to, search text, lines
	TemplateCommunicationMode  = "523" // mode
	TemplateDownloadTyped      = "524" // URL, type
	TemplateFirmwarePatch      = "525" // see AppendFirmware
	TemplateUploadTyped        = "526" // type
	TemplateProfile            = "527" // see AppendProfile
	TemplateSoftwareUpdate     = "528" // see AppendSoftwareUpdate
	TemplateSoftwareTyped      = "529" // see AppendSoftwareUpdate
	TemplateRemoteAccess       = "530" // host, port, connection key
	TemplateProfileTyped       = "531" // see AppendProfile
	TemplateParameters         = "532" // see AppendParameters
)

// FirmwareOrder is the firmware that a device is to install.
type FirmwareOrder struct {
	Name, Version, URL string
	Patch              bool
	Dependency         string // the version that a patch is for
}

// SoftwareOrder is one change of the software of a device.
type SoftwareOrder struct {
	Name, Version, Type, URL string
	Action                   string // "install" or "delete"
}

// ConfigurationOrder is a configuration that a device is to fetch.
type ConfigurationOrder struct{ URL, Type string }

// ProfileOrder is what a device profile brings. A nil part is left out.
type ProfileOrder struct {
	Firmware      *FirmwareOrder
	Software      []SoftwareOrder
	Configuration []ConfigurationOrder
}

// AppendOperation appends a line of a template whose fields are plain texts.
func AppendOperation(dst []byte, templateID, externalID string, fields ...string) []byte {
	dst = AppendLine(dst, templateID, externalID)
	return appendFields(dst, fields...)
}

func appendFields(dst []byte, fields ...string) []byte {
	for _, f := range fields {
		dst = append(dst, ',')
		dst = appendField(dst, f)
	}
	return dst
}

// AppendFirmware appends "515,<device>,<name>,<version>,<URL>", or for a patch
// "525,…,<dependency>".
func AppendFirmware(dst []byte, externalID string, f FirmwareOrder) []byte {
	if f.Patch {
		return AppendOperation(dst, TemplateFirmwarePatch, externalID, f.Name, f.Version, f.URL, f.Dependency)
	}
	return AppendOperation(dst, TemplateFirmware, externalID, f.Name, f.Version, f.URL)
}

// AppendSoftwareList appends "516,<device>" and name, version and URL of each.
func AppendSoftwareList(dst []byte, externalID string, items []SoftwareOrder) []byte {
	dst = AppendOperation(dst, TemplateSoftwareList, externalID)
	for _, s := range items {
		dst = appendFields(dst, s.Name, s.Version, s.URL)
	}
	return dst
}

// AppendSoftwareUpdate appends "528,<device>" and name, version, URL and action
// of each; typed, "529,<device>" and name, version, type, URL and action.
func AppendSoftwareUpdate(dst []byte, externalID string, typed bool, items []SoftwareOrder) []byte {
	id := TemplateSoftwareUpdate
	if typed {
		id = TemplateSoftwareTyped
	}
	return appendSoftware(AppendOperation(dst, id, externalID), typed, items)
}

func appendSoftware(dst []byte, typed bool, items []SoftwareOrder) []byte {
	for _, s := range items {
		dst = appendFields(dst, s.Name, s.Version)
		if typed {
			dst = appendFields(dst, s.Type)
		}
		dst = appendFields(dst, s.URL, s.Action)
	}
	return dst
}

// AppendProfile appends "527,<device>" and after each marker its part, or, typed,
// "531" with the type of each software:
//
//	$FW,name,version,URL,isPatch,dependency  $SW,name,version[,type],URL,action,…  $CONF,URL,type,…
func AppendProfile(dst []byte, externalID string, typed bool, p ProfileOrder) []byte {
	id := TemplateProfile
	if typed {
		id = TemplateProfileTyped
	}
	dst = AppendOperation(dst, id, externalID)
	if f := p.Firmware; f != nil {
		patch := "false"
		if f.Patch {
			patch = "true"
		}
		dst = appendFields(dst, "$FW", f.Name, f.Version, f.URL, patch, f.Dependency)
	}
	if len(p.Software) > 0 {
		dst = appendSoftware(appendFields(dst, "$SW"), typed, p.Software)
	}
	if len(p.Configuration) > 0 {
		dst = appendFields(dst, "$CONF")
		for _, c := range p.Configuration {
			dst = appendFields(dst, c.URL, c.Type)
		}
	}
	return dst
}

// AppendParameters appends "532,<device>" and path, type and value of each. Types
// are "s", "n" and "b", empty for anything else.
func AppendParameters(dst []byte, externalID string, parameters []Parameter) []byte {
	dst = AppendOperation(dst, TemplateParameters, externalID)
	for _, p := range parameters {
		dst = appendFields(dst, p.Path, p.Type, p.Value)
	}
	return dst
}
