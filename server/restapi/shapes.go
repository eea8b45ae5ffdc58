package restapi

import (
	"strings"

	"mooring/server/c8yjson"
	"mooring/server/openapi"
)

// shapes are the forms of all bodies. A resource adds its own list here, or a
// row to one that is there.
func shapes() openapi.Shapes {
	return openapi.Merge(sharedShapes, objectShapes, telemetryShapes, certificateShapes, registrationShapes, tenantShapes, userShapes, operationShapes, notificationShapes)
}

// vendor is a shape with one of the platform's media types.
func vendor(media, text string) openapi.Shape {
	bare, _, _ := strings.Cut(media, ";")
	return openapi.Of(bare, text)
}

// list is a page of a collection, whose elements are under key.
func list(key, item string) string {
	return "self: uri, " + key + ": [" + item + "], statistics: statistics, prev?: uri, next?: uri"
}

var sharedShapes = openapi.Shapes{
	openapi.ErrorShape: vendor(c8yjson.MediaError, "error: string, message: string, info: uri, reason?: string, explanation?: string, detail?: string"),
	"statistics":       openapi.JSON("currentPage: integer, pageSize: integer, totalPages?: integer, totalElements?: integer"),
	"count":            openapi.JSON("= integer"),
	"anything":         openapi.JSON("= object"),
	"change":           openapi.JSON("*"),
	"source":           openapi.JSON("id: id, name?: string, self: uri"),
	"sourceReference":  openapi.JSON("id: string, *"),
}

var objectShapes = openapi.Shapes{
	"managedObject": vendor(c8yjson.MediaManagedObject, "id: id, name?: string, type?: string, owner?: string, creationTime: date, lastUpdated: date, self: uri, "+
		"childDevices: relatives, childAssets: relatives, childAdditions: relatives, deviceParents: relatives, assetParents: relatives, additionParents: relatives, *"),
	"managedObjectCollection":          vendor(c8yjson.MediaManagedObjects, list("managedObjects", "managedObject")),
	"managedObjects":                   vendor(c8yjson.MediaManagedObjects, "managedObjects: [managedObject]"),
	"newManagedObjects":                openapi.JSON("managedObjects: [object]"),
	"newManagedObject":                 openapi.JSON("name?: string, type?: string, owner?: string, externalIds?: [newExternalId], *"),
	"managedObjectChange":              openapi.JSON("*"),
	"relatives":                        openapi.JSON("self: uri, count?: integer, references: [relative]"),
	"relative":                         openapi.JSON("managedObject: relativeObject, self: uri"),
	"relativeObject":                   openapi.JSON("id: id, name?: string, self: uri"),
	"managedObjectReference":           vendor(c8yjson.MediaManagedObjectReference, "managedObject: managedObject, self: uri"),
	"managedObjectReferenceCollection": vendor(c8yjson.MediaManagedObjectReferences, list("references", "managedObjectReference")),
	"managedObjectReferences":          vendor(c8yjson.MediaManagedObjectReferences, "references: [managedObjectReference], self: uri"),
	"newChildren":                      openapi.JSON("managedObject?: sourceReference, references?: [newChild], *"),
	"newChild":                         openapi.JSON("managedObject: sourceReference, *"),
	"managedObjectUser":                vendor(c8yjson.MediaManagedObjectUser, "userName: string, enabled: boolean, self: uri"),
	"userSwitch":                       openapi.JSON("enabled?: boolean, *"),
	"availability":                     openapi.JSON("deviceId: id, externalId: any, lastMessage: any, interval: any, dataStatus: any, connectionStatus: any"),
	"softwareCollection":               openapi.JSON(list("softwareList", "software")),
	"software":                         openapi.JSON("name: string, version: string, softwareType?: string, url?: string"),
	"supportedMeasurements":            openapi.JSON("c8y_SupportedMeasurements: [string]"),
	"supportedSeries":                  openapi.JSON("c8y_SupportedSeries: [string]"),
	"inventoryApi":                     vendor(c8yjson.Media("inventoryApi"), "self: uri, managedObjects: relatives, managedObjectsForType: string, managedObjectsForFragmentType: string, managedObjectsForListOfIds: string"),
	"platformApi":                      vendor(c8yjson.Media("platformApi"), "self: uri, *"),
	"measurementApi":                   vendor(c8yjson.Media("measurementApi"), "self: uri, *"),
	"eventApi":                         vendor(c8yjson.Media("eventApi"), "self: uri, *"),
	"alarmApi":                         vendor(c8yjson.Media("alarmApi"), "self: uri, *"),
	"deviceControlApi":                 vendor(c8yjson.Media("deviceControlApi"), "self: uri, *"),
	"auditApi":                         vendor(c8yjson.Media("auditApi"), "self: uri, *"),
	"userApi":                          vendor(c8yjson.Media("userApi"), "self: uri, *"),
	"tenantApi":                        vendor(c8yjson.Media("tenantApi"), "self: uri, *"),
	"identityApi":                      vendor(c8yjson.Media("identityApi"), "self: uri, externalId: string, externalIdsOfGlobalId: string"),
	"externalIdSearch":                 openapi.JSON("externalIds: [newExternalId], *"),
	"externalId":                       vendor(c8yjson.MediaExternalID, "externalId: string, type: string, managedObject: source, self: uri"),
	"externalIdCollection":             vendor(c8yjson.MediaExternalIDs, "externalIds: [externalId], self: uri"),
	"newExternalId":                    openapi.JSON("externalId: string, type: string, *"),
}

var telemetryShapes = openapi.Shapes{
	"measurement":           vendor(c8yjson.MediaMeasurement, "id: id, self: uri, source: source, type: string, time: date, *"),
	"measurementCollection": vendor(c8yjson.MediaMeasurements, "self?: uri, measurements: [measurement], statistics?: statistics, prev?: uri, next?: uri"),
	"newMeasurement":        openapi.JSON("source?: sourceReference, type?: string, time?: string, measurements?: [object], *"),
	"event": vendor(c8yjson.MediaEvent, "id: id, self: uri, source: source, type: string, text: string, time: date, creationTime: date, "+
		"lastUpdated: date, *"),
	"eventCollection": vendor(c8yjson.MediaEvents, list("events", "event")),
	"newEvent":        openapi.JSON("source: sourceReference, type: string, text: string, time: string, *"),
	"alarm": vendor(c8yjson.MediaAlarm, "id: id, self: uri, source: source, type: string, text: string, severity: CRITICAL|MAJOR|MINOR|WARNING, "+
		"status: ACTIVE|ACKNOWLEDGED|CLEARED, count: integer, time: date, firstOccurrenceTime?: date, creationTime: date, lastUpdated: date, *"),
	"alarmCollection":     vendor(c8yjson.MediaAlarms, list("alarms", "alarm")),
	"series":              openapi.JSON("values: object, series: [seriesName], truncated: boolean"),
	"seriesName":          openapi.JSON("unit?: string, name: string, type: string"),
	"alarmUpsert":         openapi.JSON("source: sourceReference, type: string, text?: string, severity?: string, time?: string, status?: string, *"),
	"alarmUpsertResponse": vendor(c8yjson.MediaAlarmUpsert, "alarm: alarm, previousState: any"),
	"retentionRule": vendor(c8yjson.MediaRetentionRule, "id: id, self: uri, dataType: *|ALARM|AUDIT|BULK_OPERATION|EVENT|MEASUREMENT|OPERATION, "+
		"fragmentType: string, type: string, source: string, maximumAge: integer, editable: boolean"),
	"retentionRuleCollection": vendor(c8yjson.MediaRetentionRules, list("retentionRules", "retentionRule")),
	"newRetentionRule":        openapi.JSON("maximumAge: integer, dataType?: string, fragmentType?: string, type?: string, source?: string, editable?: boolean"),
	"retentionRuleChange":     openapi.JSON("maximumAge?: integer, dataType?: string, fragmentType?: string, type?: string, source?: string, editable?: boolean"),
	"eventBinary":             openapi.JSON("name: string, self: uri, source: id, type: string"),
	"newAlarm":                openapi.JSON("source: sourceReference, type: string, text: string, severity: string, time: string, status?: string, *"),
	"auditRecord": vendor(c8yjson.MediaAuditRecord, "id: id, self: uri, creationTime: date, time: date, type: string, activity: string, text: string, "+
		"severity: string, user?: string, application?: string, source?: auditSource, changes?: [object]"),
	"auditSource":           openapi.JSON("id: string, self?: uri"),
	"newAuditSource":        openapi.JSON("id: string, *"),
	"auditRecordCollection": vendor(c8yjson.MediaAuditRecords, list("auditRecords", "auditRecord")),
	"newAuditRecord":        openapi.JSON("activity: string, text: string, time: string, type: string, severity?: string, source?: newAuditSource, application?: string, changes?: [object], *"),
}

var operationShapes = openapi.Shapes{
	"operation": vendor(c8yjson.MediaOperation, "id: id, self: uri, deviceId: id, deviceName?: string, agentId: id, creationTime: date, "+
		"status: PENDING|EXECUTING|SUCCESSFUL|FAILED, failureReason?: string, bulkOperationId?: id, deviceExternalIDs?: externalIdCollection, delivery?: object, *"),
	"operationCollection": vendor(c8yjson.MediaOperations, list("operations", "operation")),
	"bulkOperation": vendor(c8yjson.MediaBulkOperation, "id: id, self: uri, groupId?: id, failedParentId?: id, startDate: date, creationRamp: number, "+
		"operationPrototype: object, note?: string, status: ACTIVE|IN_PROGRESS|COMPLETED|DELETED, "+
		"generalStatus: SCHEDULED|EXECUTING|EXECUTING_WITH_ERRORS|SUCCESSFUL|FAILED|CANCELED, progress: bulkProgress"),
	"bulkProgress":            openapi.JSON("pending: integer, executing: integer, successful: integer, failed: integer, all: integer"),
	"bulkOperationCollection": vendor(c8yjson.MediaBulkOperations, list("bulkOperations", "bulkOperation")),
	"newBulkOperation": openapi.JSON("groupId?: string, failedParentId?: string, startDate: string, creationRamp: number, " +
		"operationPrototype: object, note?: string, *"),
	"bulkOperationChange": openapi.JSON("startDate?: string, creationRamp?: number, operationPrototype?: object, note?: string, *"),
	"newOperation":        openapi.JSON("deviceId: string, description?: string, *"),
	"operationChange":     openapi.JSON("status: string, failureReason?: string, *"),
}
