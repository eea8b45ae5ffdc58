package inventory

import (
	"time"

	"mooring/server/platform"
)

// Live keeps the presence of devices. None of its methods blocks or fails.
type Live interface {
	// Heard notes a sign of life.
	Heard(tenant platform.TenantID, id platform.ID, at time.Time)
	// Overlay puts into an object's fragments what is not stored yet.
	Overlay(tenant platform.TenantID, id platform.ID, f platform.Fragments)
	// Look is told of a device that is asked to be available, or no more.
	Look(tenant platform.TenantID, id platform.ID)
}

// overlay shows an object with the presence of its device as it is now.
func (s *Service) overlay(o platform.ManagedObject) platform.ManagedObject {
	if s.live != nil && o.Fragments != nil {
		s.live.Overlay(o.Tenant, o.ID, o.Fragments)
	}
	return o
}

// tellLive tells of an update: an empty one is a heartbeat (rest.md §6.1).
func (s *Service) tellLive(tenant platform.TenantID, cmd platform.UpdateObject) {
	if s.live == nil {
		return
	}
	if cmd.Name == nil && cmd.Type == nil && cmd.Owner == nil && len(cmd.Set)+len(cmd.IfAbsent)+len(cmd.Remove) == 0 {
		s.live.Heard(tenant, cmd.ID, cmd.At)
	}
	_, set := cmd.Set[platform.FragmentRequiredAvailability]
	_, given := cmd.IfAbsent[platform.FragmentRequiredAvailability]
	removed := false
	for _, name := range cmd.Remove {
		removed = removed || name == platform.FragmentRequiredAvailability
	}
	if set || given || removed {
		s.live.Look(tenant, cmd.ID)
	}
}

// tellCreated tells of a new device that is asked to be available.
func (s *Service) tellCreated(o platform.ManagedObject) {
	if _, ok := o.Fragments[platform.FragmentRequiredAvailability]; ok && s.live != nil {
		s.live.Look(o.Tenant, o.ID)
	}
}
