package smartrest

import "strings"

// AppendLine appends one line, without its end, to dst: fields joined by commas,
// quoted where they must be, a quote inside written `\"`. Fields may be empty;
// trailing empty fields are written as they are given.
//
// The protocol has no escape for a backslash, so a value that must be quoted and
// ends in one is read back only by a reader as lenient as Parse.
func AppendLine(dst []byte, fields ...string) []byte {
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendField(dst, f)
	}
	return dst
}

func appendField(dst []byte, f string) []byte { return appendEscaped(dst, f, '\\') }

// AppendLegacyLine is AppendLine for SmartREST 1.0, where a quote inside is
// written `""`.
func AppendLegacyLine(dst []byte, fields ...string) []byte {
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendEscaped(dst, f, '"')
	}
	return dst
}

func appendEscaped(dst []byte, f string, escape byte) []byte {
	if !needsQuotes(f) {
		return append(dst, f...)
	}
	dst = append(dst, '"')
	for i := range len(f) {
		if f[i] == '"' {
			dst = append(dst, escape)
		}
		dst = append(dst, f[i])
	}
	return append(dst, '"')
}

// needsQuotes follows mqtt.md §3.1: quote, comma, leading or trailing blank,
// newline, CR, tab.
func needsQuotes(f string) bool {
	if f == "" {
		return false
	}
	return strings.ContainsAny(f, "\",\n\r\t") || f[0] == ' ' || f[len(f)-1] == ' '
}

// Downstream lines of the static templates that answer a request.
const (
	TemplateCredentials = "70"
	TemplateDeviceToken = "71"
	TemplateChildren    = "106"
	TemplateDeviceID    = "124"
	TemplateVersion     = "601"
	TemplateTemplates   = "603"
)

// AppendCredentials appends the bootstrap answer "70,tenant,user,password". The
// user has no tenant part: the client joins the two.
func AppendCredentials(dst []byte, tenant, user, password string) []byte {
	return AppendLine(dst, TemplateCredentials, tenant, user, password)
}

// AppendDeviceToken appends "71,<jwt>".
func AppendDeviceToken(dst []byte, jwt string) []byte {
	return AppendLine(dst, TemplateDeviceToken, jwt)
}

// AppendChildren appends "106,<child>,…" with external IDs; "106" alone if there
// are none.
func AppendChildren(dst []byte, externalIDs []string) []byte {
	return appendList(dst, TemplateChildren, externalIDs)
}

// AppendDeviceID appends "124,<internal ID>".
func AppendDeviceID(dst []byte, id string) []byte { return AppendLine(dst, TemplateDeviceID, id) }

// AppendVersion appends "601,<platform version>".
func AppendVersion(dst []byte, version string) []byte {
	return AppendLine(dst, TemplateVersion, version)
}

// AppendTemplates appends "603,<template ID>,…".
func AppendTemplates(dst []byte, ids []string) []byte {
	return appendList(dst, TemplateTemplates, ids)
}

func appendList(dst []byte, templateID string, values []string) []byte {
	dst = append(dst, templateID...)
	for _, v := range values {
		dst = append(dst, ',')
		dst = appendField(dst, v)
	}
	return dst
}
