package mqttapi

import (
	"encoding/json"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// create carries out the templates that create objects. They do in every mode: an
// object is needed before anything else can be said.
func (p *publish) create(r smartrest.Record) (handled bool, err error) {
	devices, at, user := p.server.cfg.Devices, p.place, p.principal.User
	switch r := r.(type) {
	case smartrest.CreateDevice:
		id, created, err := devices.CreateDevice(p.call(), at.tenant, at.device, r.Name, r.Type, user)
		if err == nil {
			p.knowObject(id)
		}
		if err == nil && p.child == "" {
			p.target = id
		}
		if err == nil && !created {
			err = smartrest.NewError(smartrest.CodeConflict, "100", smartrest.TextDeviceExists)
		}
		return true, err
	case smartrest.CreateChild:
		parent, err := p.object()
		if err == nil {
			_, _, err = devices.CreateChild(p.call(), at.tenant, parent, r.ExternalID, r.Name, r.Type, user, r.IsDevice)
		}
		return true, err
	case smartrest.Service:
		return true, p.service(r)
	}
	return false, nil
}

// service creates or updates a service. The documents name two topics for it: the
// parent's, and the service's own, which exists only once the service does.
func (p *publish) service(r smartrest.Service) error {
	devices, at := p.server.cfg.Devices, p.place
	var parent platform.ID
	var err error
	if p.child == r.ExternalID {
		parent, err = p.root()
	} else {
		parent, err = p.object()
	}
	if err != nil {
		return err
	}
	_, err = devices.PutService(p.call(), at.tenant, parent, r.ExternalID, r.Type, r.Name, r.Status, p.principal.User)
	return err
}

// fragments carries out the templates that set fragments of the topic's object.
func (p *publish) fragments(r smartrest.Record) error {
	var cmd platform.UpdateObject
	switch r := r.(type) {
	case smartrest.InstalledSoftware:
		return p.installedSoftware(r)
	case smartrest.ParameterUpdate:
		return p.parameterUpdate(r)
	case smartrest.DeviceProfile:
		return p.deviceProfile(r)
	case smartrest.RequiredAvailability:
		if !r.Set {
			_, err := p.object()
			return err
		}
		cmd.IfAbsent = one(platform.FragmentRequiredAvailability, map[string]int{"responseInterval": r.Minutes})
	case smartrest.RemoveFragments:
		cmd.Remove = r.Fragments
	case smartrest.SupportedSoftwareTypes:
		cmd = listOrNothing("c8y_SupportedSoftwareTypes", r.Types)
	case smartrest.RemoteAccess:
		cmd = listOrNothing("c8y_RemoteAccessSupportedProtocols", r.Protocols)
	default:
		name, value, ok := fragmentOf(r)
		if !ok {
			return problem.New(problem.MethodNotAllowed, "This template is not supported by this server", nil)
		}
		cmd.Set = one(name, value)
	}
	return p.update(cmd)
}

// update changes the topic's object.
func (p *publish) update(cmd platform.UpdateObject) error {
	id, err := p.object()
	if err != nil || p.mode == 't' {
		return err
	}
	cmd.ID, cmd.At = id, platform.Millis(p.now)
	_, err = p.server.cfg.Objects.Update(p.call(), p.place.tenant, cmd)
	return err
}

// fragmentOf is the table of templates that set one fragment.
func fragmentOf(r smartrest.Record) (name string, value any, ok bool) {
	switch r := r.(type) {
	case smartrest.ServiceStatus:
		return "status", r.Status, true
	case smartrest.Hardware:
		return "c8y_Hardware", texts("serialNumber", r.SerialNumber, "model", r.Model, "revision", r.Revision), true
	case smartrest.Mobile:
		return "c8y_Mobile", texts("imei", r.IMEI, "iccid", r.ICCID, "imsi", r.IMSI, "mcc", r.MCC, "mnc", r.MNC, "lac", r.LAC, "cellId", r.CellID), true
	case smartrest.Position:
		return fragmentPosition, positionJSON(r), true
	case smartrest.Configuration:
		return "c8y_Configuration", map[string]string{"config": r.Config}, true
	case smartrest.SupportedOperations:
		return platform.FragmentSupportedOperations, list(r.Names), true
	case smartrest.Firmware:
		return "c8y_Firmware", texts("name", r.Name, "version", r.Version, "url", r.URL), true
	case smartrest.SoftwareList:
		items := make([]map[string]string, len(r.Items))
		for i, s := range r.Items {
			items[i] = texts("name", s.Name, "version", s.Version, "url", s.URL)
		}
		return "c8y_SoftwareList", items, true
	case smartrest.SupportedLogs:
		return "c8y_SupportedLogs", list(r.Names), true
	case smartrest.SupportedConfigurations:
		return "c8y_SupportedConfigurations", list(r.Names), true
	case smartrest.ConfigurationFile:
		return "c8y_Configuration_" + r.Type, texts("name", r.Name, "time", r.Time.UTC().Format(timeFormat), "type", r.Type, "url", r.URL), true
	case smartrest.Agent:
		return "c8y_Agent", texts("name", r.Name, "version", r.Version, "url", r.URL, "maintainer", r.Maintainer), true
	}
	return "", nil, false
}

const (
	fragmentPosition = "c8y_Position"
	timeFormat       = "2006-01-02T15:04:05.000Z" // rest.md §0.6
)

// listOrNothing sets a list; an empty one removes the fragment (143, 150).
func listOrNothing(name string, values []string) platform.UpdateObject {
	if len(values) == 0 {
		return platform.UpdateObject{Remove: []string{name}}
	}
	return platform.UpdateObject{Set: one(name, values)}
}

// one is a set of one fragment.
func one(name string, value any) platform.Fragments {
	b, err := json.Marshal(value)
	if err != nil {
		panic("fragment " + name + ": " + err.Error()) // texts, numbers and lists of them always marshal
	}
	return platform.Fragments{name: b}
}

// texts makes an object of pairs, leaving out those without value.
func texts(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

// list is values, as an empty list rather than null.
func list(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

func positionJSON(r smartrest.Position) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for name, n := range map[string]smartrest.Number{"lat": r.Latitude, "lng": r.Longitude, "alt": r.Altitude, "accuracy": r.Accuracy} {
		if n != "" {
			m[name] = json.RawMessage(n)
		}
	}
	return m
}
