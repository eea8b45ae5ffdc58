package notifyapi

import (
	"context"
	"strings"

	"mooring/server/notify"
	"mooring/server/platform"
)

// readers are the roles of which one lets a person hear an API of the whole tenant.
var readers = map[platform.NoticeAPI][]platform.Role{
	platform.NoticeManagedObjects:     {platform.RoleInventoryRead, platform.RoleInventoryAdmin},
	platform.NoticeMeasurements:       {platform.RoleMeasurementRead, platform.RoleMeasurementAdmin},
	platform.NoticeEvents:             {platform.RoleEventRead, platform.RoleEventAdmin},
	platform.NoticeEventsWithChildren: {platform.RoleEventRead, platform.RoleEventAdmin},
	platform.NoticeAlarms:             {platform.RoleAlarmRead, platform.RoleAlarmAdmin},
	platform.NoticeAlarmsWithChildren: {platform.RoleAlarmRead, platform.RoleAlarmAdmin},
	platform.NoticeOperations:         {platform.RoleDeviceControlRead, platform.RoleDeviceControlAdmin},
	notify.AgentOperations:            {platform.RoleDeviceControlRead, platform.RoleDeviceControlAdmin},
}

// parseChannel reads a channel of rest.md §6.12.
//
//	"/" api "/" ( id / "*" )    on /notification/realtime
//	"/" id                      on /notification/operations: of an agent
func parseChannel(path, text string) (c notify.Channel, ok bool) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return c, false
	}
	if path == pathAgents {
		c.API = notify.AgentOperations
	} else {
		api, id, found := strings.Cut(rest, "/")
		c.API, rest = platform.NoticeAPI(api), id
		if _, known := readers[c.API]; !found || !known || c.API == notify.AgentOperations {
			return c, false
		}
		if rest == "*" {
			return c, true
		}
	}
	c.Source, ok = platform.ParseID(rest)
	return c, ok
}

// name is the channel under which a client hears of source.
func name(c notify.Channel, source platform.ID) string {
	if c.API == notify.AgentOperations {
		return "/" + source.String()
	}
	return "/" + string(c.API) + "/" + source.String()
}

// mayHear reports whether p may hear a channel: who holds the role hears all,
// others what is about an object of their own or below one.
func (a *API) mayHear(ctx context.Context, p platform.Principal, c notify.Channel) bool {
	if p.HasAny(readers[c.API]...) {
		return true
	}
	if c.Source == 0 {
		return false
	}
	within, err := a.Objects.Within(ctx, p.Tenant, c.Source, p.User)
	return err == nil && within
}
