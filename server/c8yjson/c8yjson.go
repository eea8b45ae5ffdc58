// Package c8yjson converts between the domain and the JSON that Cumulocity's
// clients speak (contract rest.md §0): media types, dates, paging, error
// bodies, and one encoder and decoder a resource.
//
// Encoders append to a Writer and use no reflection, because lists of 2,000
// elements go through them. Decoders read an Object, the members of a body
// that ReadObject has bounded and checked. Fragments and measurement values
// pass through as they came, so that no number changes its digits. The package
// does no I/O but reading a body and keeps no state.
package c8yjson

// vendor is what the platform's media types begin and end with (rest.md §0.1).
const (
	vendorPrefix = "application/vnd.com.nsn.cumulocity."
	vendorSuffix = "+json;charset=UTF-8;ver=0.9"
)

// Media is the vendor's media type of that name.
func Media(name string) string { return vendorPrefix + name + vendorSuffix }

// MediaJSON is the type of resources that have no vendor type.
const MediaJSON = "application/json;charset=UTF-8"

// The media types of answers (rest.md §0.1).
const (
	MediaManagedObject           = vendorPrefix + "managedObject" + vendorSuffix
	MediaManagedObjects          = vendorPrefix + "managedObjectCollection" + vendorSuffix
	MediaManagedObjectReference  = vendorPrefix + "managedObjectReference" + vendorSuffix
	MediaManagedObjectReferences = vendorPrefix + "managedObjectReferenceCollection" + vendorSuffix
	MediaManagedObjectUser       = vendorPrefix + "managedObjectUser" + vendorSuffix
	MediaExternalID              = vendorPrefix + "externalId" + vendorSuffix
	MediaExternalIDs             = vendorPrefix + "externalIdCollection" + vendorSuffix
	MediaMeasurement             = vendorPrefix + "measurement" + vendorSuffix
	MediaMeasurements            = vendorPrefix + "measurementCollection" + vendorSuffix
	MediaEvent                   = vendorPrefix + "event" + vendorSuffix
	MediaEvents                  = vendorPrefix + "eventCollection" + vendorSuffix
	MediaAlarm                   = vendorPrefix + "alarm" + vendorSuffix
	MediaAlarms                  = vendorPrefix + "alarmCollection" + vendorSuffix
	MediaOperation               = vendorPrefix + "operation" + vendorSuffix
	MediaOperations              = vendorPrefix + "operationCollection" + vendorSuffix
	MediaBulkOperation           = vendorPrefix + "bulkOperation" + vendorSuffix
	MediaBulkOperations          = vendorPrefix + "bulkOperationCollection" + vendorSuffix
	MediaAlarmUpsert             = vendorPrefix + "alarmUpsertResponse" + vendorSuffix
	MediaRetentionRule           = vendorPrefix + "retentionRule" + vendorSuffix
	MediaRetentionRules          = vendorPrefix + "retentionRuleCollection" + vendorSuffix
	MediaAuditRecord             = vendorPrefix + "auditRecord" + vendorSuffix
	MediaAuditRecords            = vendorPrefix + "auditRecordCollection" + vendorSuffix
	MediaDeviceCredentials       = vendorPrefix + "deviceCredentials" + vendorSuffix
	MediaTenant                  = vendorPrefix + "tenant" + vendorSuffix
	MediaTenants                 = vendorPrefix + "tenantCollection" + vendorSuffix
	MediaRoles                   = vendorPrefix + "roleCollection" + vendorSuffix
	MediaRole                    = vendorPrefix + "role" + vendorSuffix
	MediaGroups                  = vendorPrefix + "groupCollection" + vendorSuffix
	MediaGroup                   = vendorPrefix + "group" + vendorSuffix
	MediaUserReferences          = vendorPrefix + "userReferenceCollection" + vendorSuffix
	MediaRoleReference           = vendorPrefix + "roleReference" + vendorSuffix
	MediaRoleReferences          = vendorPrefix + "roleReferenceCollection" + vendorSuffix
	MediaUserReference           = vendorPrefix + "userReference" + vendorSuffix
	MediaGroupReferences         = vendorPrefix + "groupReferenceCollection" + vendorSuffix
	MediaNewDeviceRequest        = vendorPrefix + "newDeviceRequest" + vendorSuffix
	MediaNewDeviceRequests       = vendorPrefix + "newDeviceRequestCollection" + vendorSuffix
	MediaBulkNewDeviceRequest    = vendorPrefix + "bulkNewDeviceRequest" + vendorSuffix
	MediaUser                    = vendorPrefix + "user" + vendorSuffix
	MediaUsers                   = vendorPrefix + "userCollection" + vendorSuffix
	MediaCurrentUser             = vendorPrefix + "currentUser" + vendorSuffix
	MediaOption                  = vendorPrefix + "option" + vendorSuffix
	MediaOptions                 = vendorPrefix + "optionCollection" + vendorSuffix
	MediaCurrentTenant           = vendorPrefix + "currentTenant" + vendorSuffix
	MediaLoginOptions            = vendorPrefix + "loginOptionCollection" + vendorSuffix
	MediaSubscription            = vendorPrefix + "subscription" + vendorSuffix
	MediaSubscriptions           = vendorPrefix + "subscriptionCollection" + vendorSuffix
	MediaError                   = vendorPrefix + "error" + vendorSuffix
)

// errorInfo is what the platform writes in every error (rest.md §0.4).
const errorInfo = "https://www.cumulocity.com/guides/reference-guide/#error_reporting"

// Error writes an error body. code is "<area>/<name>".
func Error(w *Writer, code, message string) {
	ErrorWith(w, code, message, func() {})
}

// ErrorWith is Error with the further members that more writes.
func ErrorWith(w *Writer, code, message string, more func()) {
	w.Open('{')
	w.Text("error", code)
	w.Text("message", message)
	w.Text("info", errorInfo)
	more()
	w.Close('}')
}
