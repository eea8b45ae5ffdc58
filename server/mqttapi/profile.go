package mqttapi

import (
	"encoding/json"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/server/platform"
)

// Names of device profiles (rest.md; docs device-profile.md).
const (
	fragmentProfile          = "c8y_Profile" // of a device; also the type of a profile's object
	fragmentProfileOperation = "c8y_DeviceProfile"
)

// profile is c8y_Profile of a device.
type profile struct {
	Name     string `json:"profileName"`
	ID       string `json:"profileId"`
	Executed bool   `json:"profileExecuted"`
}

// deviceProfile carries out 121: which profile is being applied, or has been. That
// of the oldest executing operation unless the device names one.
func (p *publish) deviceProfile(r smartrest.DeviceProfile) error {
	device, err := p.object()
	if err != nil {
		return err
	}
	to := profile{ID: r.ID, Executed: r.Executed}
	if r.ID == "" {
		err = p.profileOfOperation(device, &to)
	} else {
		err = p.profileOfObject(device, &to)
	}
	if err != nil {
		return err
	}
	return p.update(platform.UpdateObject{Set: one(fragmentProfile, to)})
}

func (p *publish) profileOfOperation(device platform.ID, to *profile) error {
	found, err := p.server.cfg.Operations.Operations(p.call(), p.place.tenant, platform.OperationFilter{Device: device,
		Status: platform.OperationExecuting, Fragment: fragmentProfileOperation}, platform.Page{Number: 1, Size: 1})
	if err != nil {
		return err
	}
	if len(found.Items) == 0 {
		return problem.New(problem.NotFound, "No EXECUTING operation with fragment "+fragmentProfileOperation+" found", nil)
	}
	f := found.Items[0].Fragments
	to.Name, to.ID = textOf(f["profileName"]), textOf(f["profileId"])
	return nil
}

// profileOfObject finds the name of a profile: what the device said of it before,
// else its object's, if that is a profile. A profile that is gone keeps its ID.
func (p *publish) profileOfObject(device platform.ID, to *profile) error {
	o, err := p.server.cfg.Objects.Object(p.call(), p.place.tenant, device)
	if err != nil {
		return err
	}
	var before profile
	if json.Unmarshal(o.Fragments[fragmentProfile], &before) == nil && before.ID == to.ID {
		to.Name = before.Name
	}
	id, ok := platform.ParseID(to.ID)
	if !ok {
		return problem.New(problem.NotFound, "No device profile "+to.ID, nil)
	}
	o, err = p.server.cfg.Objects.Object(p.call(), p.place.tenant, id)
	switch {
	case problem.KindOf(err) == problem.NotFound:
		return nil
	case err == nil && o.Type == fragmentProfile:
		to.Name = o.Name
	}
	return err
}

// textOf reads a JSON text, or a number as its text.
func textOf(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(v, &n) == nil {
		return n.String()
	}
	return ""
}
