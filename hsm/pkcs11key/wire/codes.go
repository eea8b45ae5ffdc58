package wire

import "fmt"

// Return codes of PKCS#11 v2.40 (section 4.3 of the header) that something
// depends on.
const (
	HostMemory              uint = 0x002
	SlotIDInvalid           uint = 0x003
	GeneralError            uint = 0x005
	FunctionFailed          uint = 0x006
	ArgumentsBad            uint = 0x007
	AttributeReadOnly       uint = 0x010
	AttributeTypeInvalid    uint = 0x012
	AttributeValueInvalid   uint = 0x013
	DeviceError             uint = 0x030
	DeviceMemory            uint = 0x031
	DeviceRemoved           uint = 0x032
	FunctionNotSupported    uint = 0x054
	KeyHandleInvalid        uint = 0x060
	KeySizeRange            uint = 0x062
	KeyTypeInconsistent     uint = 0x063
	KeyFunctionNotPermitted uint = 0x068
	MechanismInvalid        uint = 0x070
	MechanismParamInvalid   uint = 0x071
	ObjectHandleInvalid     uint = 0x082
	OperationActive         uint = 0x090
	OperationNotInitialized uint = 0x091
	PINIncorrect            uint = 0x0a0
	PINInvalid              uint = 0x0a1
	PINLenRange             uint = 0x0a2
	PINExpired              uint = 0x0a3
	PINLocked               uint = 0x0a4
	SessionClosed           uint = 0x0b0
	SessionCount            uint = 0x0b1
	SessionHandleInvalid    uint = 0x0b3
	SessionReadOnly         uint = 0x0b5
	TemplateIncomplete      uint = 0x0d0
	TemplateInconsistent    uint = 0x0d1
	TokenNotPresent         uint = 0x0e0
	TokenNotRecognized      uint = 0x0e1
	TokenWriteProtected     uint = 0x0e2
	UserAlreadyLoggedIn     uint = 0x100
	UserNotLoggedIn         uint = 0x101
	UserPINNotInitialized   uint = 0x102
	UserTooManyTypes        uint = 0x105
	DomainParamsInvalid     uint = 0x130
	CurveNotSupported       uint = 0x140
	CryptokiNotInitialized  uint = 0x190
	FunctionRejected        uint = 0x200
)

var codeNames = map[uint]string{
	HostMemory: "HOST_MEMORY", SlotIDInvalid: "SLOT_ID_INVALID", GeneralError: "GENERAL_ERROR", FunctionFailed: "FUNCTION_FAILED",
	ArgumentsBad: "ARGUMENTS_BAD", AttributeReadOnly: "ATTRIBUTE_READ_ONLY", AttributeTypeInvalid: "ATTRIBUTE_TYPE_INVALID",
	AttributeValueInvalid: "ATTRIBUTE_VALUE_INVALID", DeviceError: "DEVICE_ERROR", DeviceMemory: "DEVICE_MEMORY",
	DeviceRemoved: "DEVICE_REMOVED", FunctionNotSupported: "FUNCTION_NOT_SUPPORTED", KeyHandleInvalid: "KEY_HANDLE_INVALID",
	KeySizeRange: "KEY_SIZE_RANGE", KeyTypeInconsistent: "KEY_TYPE_INCONSISTENT", KeyFunctionNotPermitted: "KEY_FUNCTION_NOT_PERMITTED",
	MechanismInvalid: "MECHANISM_INVALID", MechanismParamInvalid: "MECHANISM_PARAM_INVALID", ObjectHandleInvalid: "OBJECT_HANDLE_INVALID",
	OperationActive: "OPERATION_ACTIVE", OperationNotInitialized: "OPERATION_NOT_INITIALIZED", PINIncorrect: "PIN_INCORRECT",
	PINInvalid: "PIN_INVALID", PINLenRange: "PIN_LEN_RANGE", PINExpired: "PIN_EXPIRED", PINLocked: "PIN_LOCKED",
	SessionClosed: "SESSION_CLOSED", SessionCount: "SESSION_COUNT", SessionHandleInvalid: "SESSION_HANDLE_INVALID",
	SessionReadOnly: "SESSION_READ_ONLY", TemplateIncomplete: "TEMPLATE_INCOMPLETE", TemplateInconsistent: "TEMPLATE_INCONSISTENT",
	TokenNotPresent: "TOKEN_NOT_PRESENT", TokenNotRecognized: "TOKEN_NOT_RECOGNIZED", TokenWriteProtected: "TOKEN_WRITE_PROTECTED",
	UserAlreadyLoggedIn: "USER_ALREADY_LOGGED_IN", UserNotLoggedIn: "USER_NOT_LOGGED_IN", UserPINNotInitialized: "USER_PIN_NOT_INITIALIZED", UserTooManyTypes: "USER_TOO_MANY_TYPES",
	DomainParamsInvalid: "DOMAIN_PARAMS_INVALID", CurveNotSupported: "CURVE_NOT_SUPPORTED",
	CryptokiNotInitialized: "CRYPTOKI_NOT_INITIALIZED", FunctionRejected: "FUNCTION_REJECTED",
}

// CodeName gives the name that vendors' manuals use, with the number.
func CodeName(code uint) string {
	if name, ok := codeNames[code]; ok {
		return fmt.Sprintf("CKR_%s (0x%x)", name, code)
	}
	return fmt.Sprintf("CKR 0x%x", code)
}
