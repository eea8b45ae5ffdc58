package smartrest

import "time"

// Record is what one upstream line asks for. It is one of the types of this file;
// each says which template makes it. Slices belong to the record.
type Record interface{ record() }

// CreateDevice (100) creates the root device if there is none.
type CreateDevice struct{ Name, Type string } // empty: the default of the template

// CreateChild (101) creates a child of the topic's device.
type CreateChild struct {
	ExternalID string
	Name, Type string // empty: the default of the template
	IsDevice   bool   // false only if the line says exactly so
}

// Service (102) creates a service of the topic's device or updates its status,
// name and type.
type Service struct{ ExternalID, Type, Name, Status string }

// ServiceStatus (104) sets the status of the topic's service.
type ServiceStatus struct{ Status string }

// AskChildren (105) asks for the external IDs of the children.
type AskChildren struct{}

// RemoveFragments (107) removes fragments of the managed object.
type RemoveFragments struct{ Fragments []string }

// Hardware (110) is c8y_Hardware.
type Hardware struct{ SerialNumber, Model, Revision string }

// Mobile (111) is c8y_Mobile.
type Mobile struct{ IMEI, ICCID, IMSI, MCC, MNC, LAC, CellID string }

// Position (112, and part of Event) is c8y_Position. An empty number was not sent.
type Position struct{ Latitude, Longitude, Altitude, Accuracy Number }

// Configuration (113) is the text of c8y_Configuration.
type Configuration struct{ Config string }

// SupportedOperations (114) replaces c8y_SupportedOperations; empty empties it.
type SupportedOperations struct{ Names []string }

// Firmware (115) is c8y_Firmware.
type Firmware struct{ Name, Version, URL string }

// Software is one item of a software list. Type is set by 140 and 141 only.
type Software struct{ Name, Version, Type, URL string }

// SoftwareList (116) replaces c8y_SoftwareList.
type SoftwareList struct{ Items []Software }

// RequiredAvailability (117) is the response interval; it counts only while the
// managed object has none. Zero or less means maintenance.
type RequiredAvailability struct {
	Minutes int
	Set     bool // false: the line has no interval
}

// SupportedLogs (118) replaces c8y_SupportedLogs.
type SupportedLogs struct{ Names []string }

// SupportedConfigurations (119) replaces c8y_SupportedConfigurations.
type SupportedConfigurations struct{ Names []string }

// ConfigurationFile (120) is c8y_Configuration_<Type>.
type ConfigurationFile struct {
	Type, URL string
	Name      string // the type by default
	Time      time.Time
}

// DeviceProfile (121) is c8y_Profile. An empty ID means the profile of the oldest
// executing operation.
type DeviceProfile struct {
	Executed bool
	ID       string
}

// Agent (122) is c8y_Agent.
type Agent struct{ Name, Version, URL, Maintainer string }

// AskDeviceID (123) asks for the internal ID of the managed object.
type AskDeviceID struct{}

// Heartbeat (125) refreshes availability and nothing else.
type Heartbeat struct{}

// Change says what InstalledSoftware does to the list.
type Change string

// The changes.
const (
	Set    Change = "set"
	Append Change = "append"
	Remove Change = "remove"
)

// InstalledSoftware (140 set, 141 append, 142 remove) changes the advanced
// software list.
type InstalledSoftware struct {
	Change Change
	Items  []Software
}

// SupportedSoftwareTypes (143) replaces c8y_SupportedSoftwareTypes; empty removes it.
type SupportedSoftwareTypes struct{ Types []string }

// RemoteAccess (150) replaces c8y_RemoteAccessSupportedProtocols; empty removes it.
type RemoteAccess struct{ Protocols []string } // in upper case

// Value is one series of a measurement.
type Value struct {
	Fragment, Series string
	Value            Number
	Unit             string // may be empty
}

// Measurement (200, 201, 210, 211, 212).
type Measurement struct {
	Type   string
	Time   time.Time
	Values []Value
}

// Severity of an alarm, in the platform's words.
type Severity string

// The severities.
const (
	Critical Severity = "CRITICAL"
	Major    Severity = "MAJOR"
	Minor    Severity = "MINOR"
	Warning  Severity = "WARNING"
)

// Alarm (301–304) raises an alarm, or counts it if one of the type is active.
type Alarm struct {
	Severity   Severity
	Type, Text string
	Time       time.Time
}

// AlarmSeverity (305) changes the severity of the existing alarm.
type AlarmSeverity struct {
	Type     string
	Severity Severity
}

// ClearAlarm (306) clears the existing alarm.
type ClearAlarm struct{ Type string }

// RemoveAlarmFragments (307) removes fragments of the existing alarm.
type RemoveAlarmFragments struct {
	Type      string
	Fragments []string
}

// Event (400, 401, 402).
type Event struct {
	Type, Text string
	Time       time.Time
	Position   *Position // set by 401 and 402
	// UpdateDevice says that Position also becomes that of the managed object (402).
	UpdateDevice bool
}

// RemoveEventFragments (407) removes fragments of the newest event of a type.
type RemoveEventFragments struct {
	Type      string
	Fragments []string
}

// Parameter is one value of a parameter update. Type is STRING, NUMBER or BOOLEAN
// in upper case, or what else the device says.
type Parameter struct{ Path, Type, Value string }

// ParameterUpdate (408).
type ParameterUpdate struct {
	Text        string // default: Parameter '<fragment>' was updated
	Time        time.Time
	OnlyChanges bool
	Parameters  []Parameter
}

// AskOperations (500) asks for every pending operation again.
type AskOperations struct{}

// OperationStatus is the state an operation goes to.
type OperationStatus string

// The states a device can set.
const (
	Executing  OperationStatus = "EXECUTING"
	Failed     OperationStatus = "FAILED"
	Successful OperationStatus = "SUCCESSFUL"
)

// OperationUpdate (501–507). By ID if that is set (504–506), else the oldest
// operation with Fragment.
type OperationUpdate struct {
	ID, Fragment  string
	Status        OperationStatus
	FailureReason string
	Values        []string // results of 503 and 506
	// All means every executing operation with Fragment, or all of them if that
	// is empty (507).
	All bool
}

// AskVersion (600) asks for the platform's version.
type AskVersion struct{}

// AskTemplates (602) asks for the IDs of all templates.
type AskTemplates struct{}

func (CreateDevice) record()            {}
func (CreateChild) record()             {}
func (Service) record()                 {}
func (ServiceStatus) record()           {}
func (AskChildren) record()             {}
func (RemoveFragments) record()         {}
func (Hardware) record()                {}
func (Mobile) record()                  {}
func (Position) record()                {}
func (Configuration) record()           {}
func (SupportedOperations) record()     {}
func (Firmware) record()                {}
func (SoftwareList) record()            {}
func (RequiredAvailability) record()    {}
func (SupportedLogs) record()           {}
func (SupportedConfigurations) record() {}
func (ConfigurationFile) record()       {}
func (DeviceProfile) record()           {}
func (Agent) record()                   {}
func (AskDeviceID) record()             {}
func (Heartbeat) record()               {}
func (InstalledSoftware) record()       {}
func (SupportedSoftwareTypes) record()  {}
func (RemoteAccess) record()            {}
func (Measurement) record()             {}
func (Alarm) record()                   {}
func (AlarmSeverity) record()           {}
func (ClearAlarm) record()              {}
func (RemoveAlarmFragments) record()    {}
func (Event) record()                   {}
func (RemoveEventFragments) record()    {}
func (ParameterUpdate) record()         {}
func (AskOperations) record()           {}
func (OperationUpdate) record()         {}
func (AskVersion) record()              {}
func (AskTemplates) record()            {}
