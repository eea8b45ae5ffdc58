package inventory

import (
	"context"
	"encoding/json"
	"sync"

	"mooring/internal/problem"
	"mooring/server/platform"
)

// The advanced software list of a device lies outside of its object, in the one
// child addition of this type (mqtt.md §4.2, templates 140 to 142).
const (
	softwareListType     = "c8y_InstalledSoftwareList"
	softwareListFragment = "softwareList"
	softwareListName     = "Installed software"
)

// MaxSoftware is how many items a list has; ours, a package manager's worth.
const MaxSoftware = 10_000

// Software is one item of a list.
type Software struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Type    string `json:"softwareType,omitempty"`
	URL     string `json:"url,omitempty"`
}

// softwareTurns keeps two changes of one list apart.
var softwareTurns [64]sync.Mutex

// Software lists what is installed on a device; none if it has told nothing.
func (s *Service) Software(ctx context.Context, tenant platform.TenantID, device platform.ID) ([]Software, error) {
	_, list, err := s.softwareList(ctx, tenant, device)
	return list, err
}

// softwareList finds the list of a device and its object; zero if there is none.
func (s *Service) softwareList(ctx context.Context, tenant platform.TenantID, device platform.ID) (platform.ID, []Software, error) {
	found, err := s.store.Objects(ctx, tenant, platform.ObjectFilter{Type: softwareListType, ParentID: device, ParentKind: platform.ChildAdditions},
		platform.Page{Number: 1, Size: 1})
	if err != nil || len(found.Items) == 0 {
		return 0, nil, err
	}
	o := found.Items[0]
	var list []Software
	if f, ok := o.Fragments[softwareListFragment]; ok && json.Unmarshal(f, &list) != nil {
		list = nil // somebody else has written it: the device's word replaces it
	}
	return o.ID, list, nil
}

// ChangeSoftware replaces the list of a device by what change makes of it. owner
// is the owner of a list that is new.
//
// Errors: problem.NotFound if there is no device, problem.Unprocessable beyond the
// bounds.
func (s *Service) ChangeSoftware(ctx context.Context, tenant platform.TenantID, device platform.ID, owner string, change func([]Software) []Software) error {
	turn := &softwareTurns[uint64(device)%uint64(len(softwareTurns))]
	turn.Lock()
	defer turn.Unlock()
	id, list, err := s.softwareList(ctx, tenant, device)
	if err != nil {
		return err
	}
	list = change(list)
	if len(list) > MaxSoftware {
		return problem.WithCode(problem.Unprocessable, "inventory/Invalid Data", "A device has at most 10000 software items.", nil)
	}
	if list == nil {
		list = []Software{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	set := platform.Fragments{softwareListFragment: b}
	if id != 0 {
		_, err = s.Update(ctx, tenant, platform.UpdateObject{ID: id, Set: set})
		return err
	}
	_, err = s.Create(ctx, tenant, platform.CreateObject{
		Object: platform.ManagedObject{Name: softwareListName, Type: softwareListType, Owner: owner, Fragments: set},
		Parent: &platform.ChildLink{Parent: device, Kind: platform.ChildAdditions},
	})
	return err
}
