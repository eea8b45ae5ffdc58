package restapi

import (
	"net/http"
	"net/url"
	"strings"

	"mooring/server/c8yjson"
)

// linkDocument lists where the things of one area are found; the vendor's Java
// client begins with that of the platform and follows the links. Each is told in
// lines of name and path; a name with a "[]" is a collection.
type linkDocument struct {
	name  string // in the document of the platform
	path  string
	shape string // name of the media type, and in the description of the API
	links string
}

// linkDocuments are those of the vendor's OpenAPI document.
var linkDocuments = []linkDocument{
	{"inventory", "/inventory", "inventoryApi", `
		managedObjects[] /inventory/managedObjects
		managedObjectsForType /inventory/managedObjects?type={type}
		managedObjectsForFragmentType /inventory/managedObjects?fragmentType={fragmentType}
		managedObjectsForListOfIds /inventory/managedObjects?ids={ids}`},
	{"identity", "/identity", "identityApi", `
		externalId /identity/externalIds/{type}/{externalId}
		externalIdsOfGlobalId /identity/globalIds/{globalId}/externalIds`},
	{"measurement", "/measurement", "measurementApi", `
		measurements[] /measurement/measurements
		measurementsForSource /measurement/measurements?source={source}
		measurementsForSourceAndType /measurement/measurements?source={source}&type={type}
		measurementsForType /measurement/measurements?type={type}
		measurementsForValueFragmentType /measurement/measurements?valueFragmentType={valueFragmentType}
		measurementsForDate /measurement/measurements?dateFrom={dateFrom}&dateTo={dateTo}
		measurementsForSourceAndDate /measurement/measurements?source={source}&dateFrom={dateFrom}&dateTo={dateTo}
		measurementsForSourceAndValueFragmentTypeAndValueFragmentSeries /measurement/measurements?source={source}&valueFragmentType={valueFragmentType}&valueFragmentSeries={valueFragmentSeries}`},
	{"event", "/event", "eventApi", `
		events[] /event/events
		eventsForSource /event/events?source={source}
		eventsForSourceAndType /event/events?source={source}&type={type}
		eventsForType /event/events?type={type}
		eventsForFragmentType /event/events?fragmentType={fragmentType}
		eventsForTime /event/events?dateFrom={dateFrom}&dateTo={dateTo}
		eventsForSourceAndTime /event/events?source={source}&dateFrom={dateFrom}&dateTo={dateTo}`},
	{"alarm", "/alarm", "alarmApi", `
		alarms[] /alarm/alarms
		alarmsForSource /alarm/alarms?source={source}
		alarmsForStatus /alarm/alarms?status={status}
		alarmsForTime /alarm/alarms?dateFrom={dateFrom}&dateTo={dateTo}
		alarmsForSourceAndStatus /alarm/alarms?source={source}&status={status}
		alarmsForSourceAndTime /alarm/alarms?source={source}&dateFrom={dateFrom}&dateTo={dateTo}
		alarmsForStatusAndTime /alarm/alarms?status={status}&dateFrom={dateFrom}&dateTo={dateTo}
		alarmsForSourceAndStatusAndTime /alarm/alarms?source={source}&status={status}&dateFrom={dateFrom}&dateTo={dateTo}`},
	{"deviceControl", "/devicecontrol", "deviceControlApi", `
		operations[] /devicecontrol/operations
		operationsByStatus /devicecontrol/operations?status={status}
		operationsByAgentId /devicecontrol/operations?agentId={agentId}
		operationsByAgentIdAndStatus /devicecontrol/operations?agentId={agentId}&status={status}
		operationsByDeviceId /devicecontrol/operations?deviceId={deviceId}
		operationsByDeviceIdAndStatus /devicecontrol/operations?deviceId={deviceId}&status={status}`},
	{"audit", "/audit", "auditApi", `
		auditRecords[] /audit/auditRecords
		auditRecordsForType /audit/auditRecords?type={type}
		auditRecordsForUser /audit/auditRecords?user={user}
		auditRecordsForApplication /audit/auditRecords?application={application}
		auditRecordsForUserAndType /audit/auditRecords?user={user}&type={type}
		auditRecordsForUserAndApplication /audit/auditRecords?user={user}&application={application}
		auditRecordsForTypeAndApplication /audit/auditRecords?type={type}&application={application}
		auditRecordsForTypeAndUserAndApplication /audit/auditRecords?type={type}&user={user}&application={application}`},
	{"user", "/user", "userApi", `
		users /user/{tenant}/users
		userByName /user/{tenant}/userByName/{username}
		currentUser /user/currentUser
		groups /user/{tenant}/groups
		groupByName /user/{tenant}/groupByName/{groupName}
		roles /user/roles`},
	{"tenant", "/tenant", "tenantApi", `
		options[] /tenant/options
		tenants[] /tenant/tenants
		tenantForId /tenant/tenants/{tenantId}
		tenantOptionsForCategory /tenant/options/{category}
		tenantOptionForCategoryAndKey /tenant/options/{category}/{key}
		tenantSystemOptions /tenant/system/options
		tenantSystemOptionsForCategoryAndKey /tenant/system/options/{category}/{key}`},
}

func (a *API) linkRoutes() []route {
	routes := []route{{method: "GET", path: "/platform", access: user, serve: readPlatformLinks,
		doc: doc{Does: "List where everything is found", Gives: "platformApi"}}}
	for _, d := range linkDocuments {
		routes = append(routes, route{method: "GET", path: d.path, access: user, doc: doc{Does: "List where the things of " + d.path + " are found", Gives: d.shape},
			serve: func(c *call) error {
				c.answer(http.StatusOK, c8yjson.Media(d.shape), func(w *c8yjson.Writer) { d.write(w, c) })
				return nil
			}})
	}
	return routes
}

func readPlatformLinks(c *call) error {
	c.answer(http.StatusOK, c8yjson.Media("platformApi"), func(w *c8yjson.Writer) {
		w.Open('{')
		w.Link("self", c.base(), "/platform")
		for _, d := range linkDocuments {
			w.Key(d.name)
			d.write(w, c)
		}
		w.Close('}')
	})
	return nil
}

// write writes d with the name of the caller's tenant in its place; the others in
// braces are the client's to fill in.
func (d linkDocument) write(w *c8yjson.Writer, c *call) {
	base := c.base()
	w.Open('{')
	w.Link("self", base, d.path)
	for line := range strings.Lines(strings.TrimSpace(d.links)) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		path = strings.Replace(path, "{tenant}", url.PathEscape(string(c.tenant())), 1)
		name, isCollection := strings.CutSuffix(name, "[]")
		if !isCollection {
			w.Link(name, base, path)
			continue
		}
		w.Key(name)
		w.Open('{')
		w.Link("self", base, path)
		if name == "managedObjects" {
			name = "references"
		}
		w.Key(name)
		w.Open('[')
		w.Close(']')
		w.Close('}')
	}
	w.Close('}')
}
