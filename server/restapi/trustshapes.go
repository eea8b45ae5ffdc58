package restapi

import (
	"mooring/server/c8yjson"
	"mooring/server/openapi"
)

var certificateShapes = openapi.Shapes{
	"trustedCertificate": openapi.JSON("fingerprint: string, name: string, status: ENABLED|DISABLED, autoRegistrationEnabled: boolean, " +
		"tenantCertificateAuthority: boolean, proofOfPossessionValid: boolean, proofOfPossessionUnsignedVerificationCode?: string, " +
		"proofOfPossessionVerificationCodeUsableUntil?: date, certInPemFormat: string, subject: string, issuer: string, serialNumber: string, " +
		"algorithmName: string, version: integer, notBefore: date, notAfter: date, self: uri, renewable?: boolean, nearExpiry?: boolean"),
	"trustedCertificateCollection": openapi.JSON(list("certificates", "trustedCertificate")),
	"trustedCertificates":          openapi.JSON("self: uri, certificates: [trustedCertificate], statistics: statistics"),
	"newTrustedCertificate":        openapi.JSON("certInPemFormat?: string, status?: string, name?: string, autoRegistrationEnabled?: any, certificates?: [object], *"),
	"newTrustedCertificates":       openapi.JSON("certificates: [newTrustedCertificate], *"),
	"trustedCertificateChange":     openapi.JSON("status?: string, name?: string, autoRegistrationEnabled?: any, *"),
	"signedCode":                   openapi.JSON("proofOfPossessionSignedVerificationCode: string, *"),
	"chainVerdict":                 openapi.JSON("successfullyValidated: boolean, tenantId: string, issuer: string, subject: string, hint?: string"),
	"revocations":                  openapi.JSON("crls: [revocation], *"),
	"revocation":                   openapi.JSON("serialNumberInHex: string, revocationDate?: any, *"),
	"whoami":                       openapi.JSON("tenant: string, device: string, serial: string, fingerprint_sha256: string, not_after: date"),
	"explanation":                  openapi.JSON("reason: string, detail: string, time: date, subject: string, serial: string, last_refusal?: refusalFacts"),
	"refusalFacts":                 openapi.JSON("reason: string, detail: string, time: date, door: string"),
	"renewalWindow":                openapi.JSON("start: date, end: date, retryAfter: integer"),
	"tpmKeys":                      openapi.JSON("ek_public: string, ak_public: string, *"),
	"tpmChallenge":                 openapi.JSON("ticket: string, credential: string, secret: string"),
	"tpmMakers":                    openapi.JSON("makers: [tpmMaker]"),
	"tpmMaker":                     openapi.JSON("fingerprint: string, subject?: string, notAfter?: date, certInPemFormat: string, creationTime: date"),
	"tpmMakersAdded":               openapi.JSON("added: integer"),
	"tpmAttestationCollection":     openapi.JSON(list("attestations", "tpmAttestation")),
	"tpmAttestation":               openapi.JSON("deviceId: string, serial: string, ekSha256: string, by: maker|note, manufacturer: string, model: string, firmware: string"),
	"deviceTpm":                    openapi.JSON("deviceId: string, ekSha256?: string, last?: tpmAttestation"),
	"tpmNote":                      openapi.JSON("ekSha256: string, *"),
	"refusalCollection":            openapi.JSON(list("refusals", "refusal")),
	"refusal": openapi.JSON("cn: string, reason: string, detail: string, time: date, door: string, text: string, address: string, subject?: string, " +
		"issuer?: string, serial?: string, fingerprint_sha256?: string, not_before?: date, not_after?: date"),
}

var registrationShapes = openapi.Shapes{
	"newDeviceRequest": vendor(c8yjson.MediaNewDeviceRequest, "id: string, status: WAITING_FOR_CONNECTION|PENDING_ACCEPTANCE|ACCEPTED|BLOCKED, owner?: string, "+
		"tenantId: string, type?: string, groupId?: id, customProperties?: object, creationTime: date, self: uri, *"),
	"newDeviceRequestCollection": vendor(c8yjson.MediaNewDeviceRequests, list("newDeviceRequests", "newDeviceRequest")),
	"newNewDeviceRequest": openapi.JSON("id: string, groupId?: any, type?: string, enrollmentToken?: string, tenantId?: string, " +
		"customProperties?: object, securityToken?: string, *"),
	"acceptance":               openapi.JSON("status: string, securityToken?: string, *"),
	"acceptances":              openapi.JSON("= [acceptedRequest]"),
	"acceptedRequest":          openapi.JSON("id: string, successful: boolean, error?: string"),
	"deviceLimit":              openapi.JSON("isReached: boolean, limit?: integer, deviceCount: integer"),
	"deviceCredentialsRequest": openapi.JSON("id: string, securityToken?: string, *"),
	"deviceCredentials":        vendor(c8yjson.MediaDeviceCredentials, "id: string, tenantId: string, username: string, password: string, self: uri"),
	"deviceToken":              openapi.JSON("accessToken: string"),
	"bulkNewDeviceRequest": vendor(c8yjson.MediaBulkNewDeviceRequest, "numberOfAll: integer, numberOfCreated: integer, numberOfFailed: integer, "+
		"numberOfSuccessful: integer, credentialUpdatedList: [bulkRow], failedCreationList: [bulkRow]"),
	"bulkRow": openapi.JSON("bulkNewDeviceStatus: CREATED|FAILED|CREDENTIAL_UPDATED, deviceId: string, failureReason?: string, line?: string"),
}

var tenantShapes = openapi.Shapes{
	"currentTenant":    vendor(c8yjson.MediaCurrentTenant, "name: string, domainName: string, allowCreateTenants: boolean, customProperties: object, applications: object, self: uri, parent?: string"),
	"tenant":           vendor(c8yjson.MediaTenant, "id: string, domain: string, company: string, status: string, creationTime: date, self: uri"),
	"tenantCollection": vendor(c8yjson.MediaTenants, list("tenants", "tenant")),
	"newTenant":        openapi.JSON("id?: string, domain?: string, adminName: string, adminPass: string, *"),
	"loginOption": openapi.JSON("id: string, type: BASIC|OAUTH2_INTERNAL|OAUTH2, grantType?: string, userManagementSource: string, visibleOnLoginPage: boolean, " +
		"initRequest?: uri, self: uri, *"),
	"loginOptionCollection":  vendor(c8yjson.MediaLoginOptions, "self: uri, loginOptions: [loginOption]"),
	"accessToken":            openapi.JSON("access_token: string"),
	"option":                 vendor(c8yjson.MediaOption, "category: string, key: string, value: string, self?: uri"),
	"optionCollection":       vendor(c8yjson.MediaOptions, list("options", "option")),
	"optionMap":              openapi.JSON("= {any}"),
	"newOption":              openapi.JSON("category: string, key: string, value: any, *"),
	"optionValue":            openapi.JSON("value: any, *"),
	"editable":               openapi.JSON("editable: any, *"),
	"systemOption":           vendor(c8yjson.MediaOption, "category: string, key: string, value: string"),
	"systemOptionCollection": vendor(c8yjson.MediaOptions, "self: uri, options: [systemOption]"),
	"feature":                openapi.JSON("key: string, phase: IN_DEVELOPMENT|PRIVATE_PREVIEW|PUBLIC_PREVIEW|GENERALLY_AVAILABLE, active: boolean, strategy: DEFAULT|TENANT"),
	"features":               openapi.JSON("= [feature]"),
	"tenantFeature":          openapi.JSON("tenantId: string, active: boolean"),
	"tenantFeatures":         openapi.JSON("= [tenantFeature]"),
	"featureSwitch":          openapi.JSON("active: any, *"),
}

// personFields are those that users have in all forms.
const personFields = "id: string, userName: string, firstName?: string, lastName?: string, email?: string, phone?: string, displayName?: string, " +
	"enabled: boolean, shouldResetPassword: boolean, lastPasswordChange?: date, passwordStrength?: string, twoFactorAuthenticationEnabled: boolean, devicePermissions: object, " +
	"customProperties: object, self: uri"

var userShapes = openapi.Shapes{
	"user": vendor(c8yjson.MediaUser, personFields+", roles?: roleReferences, groups?: groupReferences, effectiveRoles?: [role], "+
		"provisionedCertificates?: [provisionedCertificate]"),
	"currentUser":              vendor(c8yjson.MediaCurrentUser, personFields+", effectiveRoles: [role]"),
	"userCollection":           vendor(c8yjson.MediaUsers, list("users", "user")),
	"provisionedCertificate":   openapi.JSON("serialNumber: string, notBefore: date, notAfter: date"),
	"newUser":                  openapi.JSON("userName: string, *"),
	"userChange":               openapi.JSON("*"),
	"passwordChange":           openapi.JSON("currentUserPassword: string, newPassword: string, *"),
	"userReference":            openapi.JSON("user: linked, *"),
	"roleReference":            openapi.JSON("role: linked, *"),
	"linked":                   openapi.JSON("id?: string, self?: string, *"),
	"role":                     vendor(c8yjson.MediaRole, "id: string, name: string, self: uri"),
	"roleCollection":           vendor(c8yjson.MediaRoles, list("roles", "role")),
	"roleReferences":           openapi.JSON("self?: uri, references: [memberRole]"),
	"memberRole":               vendor(c8yjson.MediaRoleReference, "self?: uri, role: role"),
	"roleReferenceCollection":  vendor(c8yjson.MediaRoleReferences, list("references", "memberRole")),
	"group":                    vendor(c8yjson.MediaGroup, "id: integer, name: string, description?: string, self: uri, roles: roleReferences, users: userReferences, customProperties: object"),
	"inventoryRole":            vendor(c8yjson.Media("inventoryRole"), "id: integer, name: string, description?: string, self: uri, permissions: [object]"),
	"inventoryRoleCollection":  vendor(c8yjson.Media("inventoryRoleCollection"), list("roles", "inventoryRole")),
	"newInventoryRole":         openapi.JSON("name?: string, *"),
	"inventoryAssignment":      vendor(c8yjson.Media("inventoryAssignment"), "id: integer, managedObject: id, self: uri, roles: [inventoryRole]"),
	"inventoryAssignments":     vendor(c8yjson.Media("inventoryAssignmentCollection"), "self: uri, inventoryAssignments: [inventoryAssignment]"),
	"newInventoryAssignment":   openapi.JSON("*"),
	"groupCollection":          vendor(c8yjson.MediaGroups, list("groups", "group")),
	"groupReferences":          openapi.JSON("self: uri, references: [memberGroup]"),
	"memberGroup":              openapi.JSON("self: uri, group: group"),
	"groupReferenceCollection": vendor(c8yjson.MediaGroupReferences, list("references", "memberGroup")),
	"member":                   vendor(c8yjson.MediaUserReference, "self: uri, user: user"),
	"newGroup":                 openapi.JSON("name: string, *"),
	"groupChange":              openapi.JSON("*"),
	"userReferences":           openapi.JSON("self: uri, references: [member]"),
	"userReferenceCollection":  vendor(c8yjson.MediaUserReferences, list("references", "member")),
}
