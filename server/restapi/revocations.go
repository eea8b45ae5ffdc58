package restapi

import (
	"bufio"
	"encoding/csv"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"mooring/internal/pki"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

const mediaCRL = "application/pkix-crl"

// Bounds of an uploaded revocation list (rest.md §3.5: 5000 rows).
const (
	maxCRLRows      = 5000
	maxCRLFileBytes = 1 << 20
)

func (a *API) revocationRoutes() []route {
	const path = "/tenant/trusted-certificates/settings/crl"
	return []route{
		{method: "GET", path: path, access: having(tenantReaders...), serve: readRevocations,
			doc: doc{Does: "Read the list of revoked serial numbers as a CRL", Gives: "application/pkix-crl"}},
		{method: "PUT", path: path, access: having(tenantAdmins...), serve: addRevocations,
			doc: doc{Does: "Revoke serial numbers, for good", Takes: "revocations | form file", Status: http.StatusNoContent}},
	}
}

// readRevocations answers with the tenant's offline list as a CRL, whatever
// the client accepts (rest.md §3.4).
func readRevocations(c *call) error {
	entries, err := c.api.Trust.Revocations(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	der, err := c.api.Authority.OfflineList(c.ctx(), c.tenant(), entries)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Disposition", `attachment; filename="cumulocity.crl"`)
	c.bytes(http.StatusOK, mediaCRL, der)
	return nil
}

// readAuthorityList serves /crl/<tenant>.crl to everybody: it is the address
// in the leaves that the tenant's authority signs (design decision 16).
func readAuthorityList(c *call) error {
	tenant, ok := strings.CutSuffix(c.param("file"), ".crl")
	if !ok {
		return problem.WithCode(problem.NotFound, "general/Not Found", "There is nothing at this path.", nil)
	}
	der, err := c.api.Authority.CRL(c.ctx(), platform.TenantID(tenant))
	if err != nil {
		return err
	}
	c.bytes(http.StatusOK, mediaCRL, der)
	return nil
}

func addRevocations(c *call) error {
	read := revocationsOfJSON
	if media, _, _ := mime.ParseMediaType(multipartType(c.r)); media == "multipart/form-data" {
		read = revocationsOfFile
	}
	entries, err := read(c)
	if err != nil {
		return err
	}
	if _, err := c.api.Trust.Revoke(c.ctx(), c.actor(), c.tenant(), entries); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func badRequest(text string, cause error) error {
	return problem.WithCode(problem.Invalid, "Device Certificates/Bad Request", text, cause)
}

func revocationsOfJSON(c *call) ([]platform.Revocation, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	items, err := body.Objects("crls")
	if err != nil {
		return nil, err
	}
	if !body.Has("crls") {
		return nil, c8yjson.Missing("crls")
	}
	if len(items) > maxCRLRows {
		return nil, problem.New(problem.TooLarge, "At most 5000 serial numbers at once.", nil)
	}
	entries := make([]platform.Revocation, len(items))
	for i, item := range items {
		serial, err := item.Text("serialNumberInHex")
		if err != nil {
			return nil, err
		}
		date, err := item.Text("revocationDate")
		if err != nil {
			return nil, err
		}
		if entries[i], err = revocation(serial, date); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// revocation reads one entry; a date that is missing stays zero.
func revocation(serial, date string) (platform.Revocation, error) {
	n, err := pki.ParseSerialHex(strings.TrimSpace(serial))
	if err != nil {
		return platform.Revocation{}, badRequest("'"+cut(serial)+"' is no serial number in hexadecimal digits.", err)
	}
	var at time.Time
	if date = strings.TrimSpace(date); date != "" {
		if at, err = c8yjson.ParseTime(date); err != nil {
			return platform.Revocation{}, badRequest("Unsupported date time format, supported format:yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", err)
		}
	}
	return platform.Revocation{Serial: n, At: at}, nil
}

func revocationsOfFile(c *call) ([]platform.Revocation, error) {
	file, err := formFile(c, "file")
	if err != nil {
		return nil, err
	}
	return parseRevocationFile(io.LimitReader(file, maxCRLFileBytes+1))
}

// parseRevocationFile reads lines "SERIALNO,DATE" below that header; the date
// and its comma may be missing.
func parseRevocationFile(r io.Reader) ([]platform.Revocation, error) {
	b := bufio.NewReader(r)
	if mark, _ := b.Peek(3); string(mark) == "\xef\xbb\xbf" {
		_, _ = b.Discard(3)
	}
	lines := csv.NewReader(b)
	lines.FieldsPerRecord = -1
	var entries []platform.Revocation
	for row := 0; ; row++ {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return entries, nil
		}
		if err != nil {
			return nil, badRequest("The file cannot be read as CSV.", err)
		}
		if row == 0 && strings.EqualFold(strings.TrimSpace(fields[0]), "SERIALNO") {
			continue
		}
		if len(entries) == maxCRLRows || lines.InputOffset() > maxCRLFileBytes {
			return nil, problem.New(problem.TooLarge, "The file has more than 5000 rows or 1048576 bytes.", nil)
		}
		e, err := revocation(fields[0], strings.Join(fields[1:min(len(fields), 2)], ""))
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
}
