package smartrest

import "strings"

func createDevice(a *args) Record { return CreateDevice{Name: a.text(0), Type: a.text(1)} }

func createChild(a *args) Record {
	return CreateChild{ExternalID: a.text(0), Name: a.text(1), Type: a.text(2), IsDevice: a.text(3) != "false"}
}

func service(a *args) Record {
	return Service{ExternalID: a.text(0), Type: a.text(1), Name: a.text(2), Status: a.text(3)}
}

func serviceStatus(a *args) Record   { return ServiceStatus{Status: a.text(0)} }
func askChildren(*args) Record       { return AskChildren{} }
func removeFragments(a *args) Record { return RemoveFragments{Fragments: a.list(0)} }

func hardware(a *args) Record {
	return Hardware{SerialNumber: a.text(0), Model: a.text(1), Revision: a.text(2)}
}

func mobile(a *args) Record {
	return Mobile{IMEI: a.text(0), ICCID: a.text(1), IMSI: a.text(2), MCC: a.text(3), MNC: a.text(4), LAC: a.text(5), CellID: a.text(6)}
}

func positionUpdate(a *args) Record { return positionOf(a) }

func positionOf(a *args) Position {
	return Position{Latitude: a.number(0), Longitude: a.number(1), Altitude: a.number(2), Accuracy: a.number(3)}
}

func configuration(a *args) Record       { return Configuration{Config: a.text(0)} }
func supportedOperations(a *args) Record { return SupportedOperations{Names: a.list(0)} }

func firmware(a *args) Record {
	return Firmware{Name: a.text(0), Version: a.text(1), URL: a.text(2)}
}

func softwareList(a *args) Record {
	var r SoftwareList
	a.groups(0, func(i int) {
		r.Items = append(r.Items, Software{Name: a.text(i), Version: a.text(i + 1), URL: a.text(i + 2)})
	})
	return r
}

func requiredAvailability(a *args) Record {
	n, ok := parseInteger(a.text(0))
	return RequiredAvailability{Minutes: n, Set: ok}
}

func supportedLogs(a *args) Record           { return SupportedLogs{Names: a.list(0)} }
func supportedConfigurations(a *args) Record { return SupportedConfigurations{Names: a.list(0)} }

func configurationFile(a *args) Record {
	return ConfigurationFile{Type: a.text(0), URL: a.text(1), Name: a.or(2, a.text(0)), Time: a.time(3)}
}

func deviceProfile(a *args) Record {
	executed, _ := parseBool(a.text(0))
	return DeviceProfile{Executed: executed, ID: a.text(1)}
}

func agent(a *args) Record {
	return Agent{Name: a.text(0), Version: a.text(1), URL: a.text(2), Maintainer: a.text(3)}
}

func askDeviceID(*args) Record { return AskDeviceID{} }
func heartbeat(*args) Record   { return Heartbeat{} }

func installedSoftware(c Change) func(*args) Record {
	return func(a *args) Record {
		r := InstalledSoftware{Change: c}
		a.groups(0, func(i int) {
			s := Software{Name: a.text(i), Version: a.text(i + 1)}
			if c != Remove {
				s.Type, s.URL = a.text(i+2), a.text(i+3)
			}
			r.Items = append(r.Items, s)
		})
		return r
	}
}

func softwareTypes(a *args) Record { return SupportedSoftwareTypes{Types: a.list(0)} }

func remoteAccess(a *args) Record {
	r := RemoteAccess{Protocols: a.list(0)}
	for i, p := range r.Protocols {
		r.Protocols[i] = strings.ToUpper(p)
	}
	return r
}
