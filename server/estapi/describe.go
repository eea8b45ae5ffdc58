package estapi

import (
	"net/http"

	"mooring/internal/est"
	"mooring/server/openapi"
)

const (
	certsOnly = "application/pkcs7-mime"
	pkcs10    = "application/pkcs10"
)

// Calls are the EST calls for the server's description of itself, without and
// with the label of a tenant.
func Calls() []openapi.Call {
	enrolled := certsOnly + " | " + pkcs10
	var all []openapi.Call
	for _, prefix := range []string{est.PathPrefix, est.PathPrefix + "{label}/"} {
		all = append(all,
			openapi.Call{Method: http.MethodGet, Path: prefix + est.OpCACerts, Open: true,
				Text: openapi.Text{Does: "Get the certificate of the tenant's authority (RFC 7030 §4.1)", Gives: certsOnly, Also: "404 422"}},
			openapi.Call{Method: http.MethodGet, Path: prefix + est.OpCSRAttrs, Open: true,
				Text: openapi.Text{Does: "Get what a request must have (RFC 7030 §4.5): an attestation, or nothing", Gives: est.CSRAttrsType, Also: "204"}},
			openapi.Call{Method: http.MethodPost, Path: prefix + est.OpEnrol,
				Text: openapi.Text{Does: "Get the first certificate, by external ID and one-time password (RFC 7030 §4.2.1)", Takes: pkcs10, Gives: enrolled, Also: "202! 404 409", Status: http.StatusOK}},
			openapi.Call{Method: http.MethodPost, Path: prefix + est.OpReEnrol,
				Text: openapi.Text{Does: "Get the next certificate, as a device (RFC 7030 §4.2.2)", Takes: pkcs10, Gives: enrolled, Also: "202! 404 409", Status: http.StatusOK}})
	}
	for _, path := range []string{AttestationPath, AttestationPath + "/{label}"} {
		all = append(all, openapi.Call{Method: http.MethodPost, Path: path,
			Text: openapi.Text{Does: "Get the challenge for an attestation, as for a certificate", Takes: "tpmKeys", Gives: "tpmChallenge", Also: "404 422", Status: http.StatusOK}})
	}
	for i := range all {
		all[i].TextErrors = true
	}
	return all
}
