package restapi

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"

	"mooring/internal/problem"
	"mooring/server/attest"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// Attestations is what devices proved of their TPMs, and which ones a tenant takes:
// server/attest.
type Attestations interface {
	AddMakers(ctx context.Context, actor platform.Principal, text []byte) (added int, err error)
	Makers(ctx context.Context, tenant platform.TenantID) ([]platform.TPMMaker, error)
	DeleteMaker(ctx context.Context, actor platform.Principal, fingerprint string) error

	Pin(ctx context.Context, actor platform.Principal, externalID string, ekHash [sha256.Size]byte) error
	Unpin(ctx context.Context, actor platform.Principal, externalID string) error
	Device(ctx context.Context, tenant platform.TenantID, externalID string) (attest.Device, error)
	List(ctx context.Context, tenant platform.TenantID, externalID string, page platform.Page) (platform.List[platform.Attestation], error)
}

func (a *API) attestationRoutes() []route {
	const (
		path   = "/mooring/tpm"
		makers = path + "/makers"
		device = path + "/devices/{device}"
	)
	reader, admin := having(tenantReaders...), having(tenantAdmins...)
	return []route{
		{method: "GET", path: makers, access: reader, serve: listMakers,
			doc: doc{Does: "List the makers of TPMs that the tenant trusts", Gives: "tpmMakers"}},
		{method: "POST", path: makers, access: admin, serve: addMakers, maxBody: attest.MaxMakersBytes,
			doc: doc{Does: "Add certificates of makers of TPMs", Takes: "application/x-pem-file", Gives: "tpmMakersAdded"}},
		{method: "DELETE", path: makers + "/{fingerprint}", access: admin, serve: deleteMaker,
			doc: doc{Does: "Delete the certificate of a maker of TPMs, by its SHA-256"}},
		{method: "GET", path: path + "/attestations", access: reader, serve: listAttestations,
			doc: doc{Does: "List what devices proved of their TPMs", Query: "deviceId, paging", Gives: "tpmAttestationCollection"}},
		{method: "GET", path: device, access: reader, serve: readDeviceTPM,
			doc: doc{Does: "Read what is known of the TPM of a device", Gives: "deviceTpm"}},
		{method: "PUT", path: device, access: admin, serve: pinTPM,
			doc: doc{Does: "Note which TPM a device has, by the SHA-256 of its endorsement key", Takes: "tpmNote", Gives: "deviceTpm"}},
		{method: "DELETE", path: device, access: admin, serve: unpinTPM,
			doc: doc{Does: "Forget which TPM a device has"}},
	}
}

func listMakers(c *call) error {
	makers, err := c.api.Attestations.Makers(c.ctx(), c.tenant())
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Key("makers")
		w.Open('[')
		for _, m := range makers {
			maker(w, m)
		}
		w.Close(']')
		w.Close('}')
	})
	return nil
}

func maker(w *c8yjson.Writer, m platform.TPMMaker) {
	w.Open('{')
	w.Text("fingerprint", m.Fingerprint)
	if cert, err := x509.ParseCertificate(m.Certificate); err == nil { // it was parsed when it came
		w.Text("subject", cert.Subject.String())
		w.Time("notAfter", cert.NotAfter)
	}
	w.Text("certInPemFormat", base64.StdEncoding.EncodeToString(m.Certificate))
	w.Time("creationTime", m.Created)
	w.Close('}')
}

func addMakers(c *call) error {
	text, err := io.ReadAll(c.r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem.New(problem.TooLarge, "More than 4 MiB of certificates.", nil)
	}
	if err != nil {
		return err
	}
	added, err := c.api.Attestations.AddMakers(c.ctx(), c.actor(), text)
	if err != nil {
		return err
	}
	c.written(http.StatusCreated, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Int("added", int64(added))
		w.Close('}')
	})
	return nil
}

func deleteMaker(c *call) error {
	if err := c.api.Attestations.DeleteMaker(c.ctx(), c.actor(), strings.ToLower(c.param("fingerprint"))); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

func listAttestations(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	list, err := c.api.Attestations.List(c.ctx(), c.tenant(), c.query.Get("deviceId"), p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaJSON, "attestations", p, list, attested)
	return nil
}

// attested writes what was proved of the key of one certificate.
func attested(w *c8yjson.Writer, a platform.Attestation) {
	by := "maker"
	if a.Pinned {
		by = "note"
	}
	w.Open('{')
	w.Text("deviceId", a.ExternalID)
	w.Text("serial", a.Serial)
	w.Text("ekSha256", hex.EncodeToString(a.EKHash[:]))
	w.Text("by", by)
	w.Text("manufacturer", a.Manufacturer)
	w.Text("model", a.Model)
	w.Text("firmware", a.Firmware)
	w.Close('}')
}

func readDeviceTPM(c *call) error {
	d, err := c.api.Attestations.Device(c.ctx(), c.tenant(), c.param("device"))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("deviceId", c.param("device"))
		if d.Pin != nil {
			w.Text("ekSha256", hex.EncodeToString(d.Pin.EKHash[:]))
		}
		if d.Last != nil {
			w.Key("last")
			attested(w, *d.Last)
		}
		w.Close('}')
	})
	return nil
}

func pinTPM(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	text, err := body.Text("ekSha256")
	if err != nil {
		return err
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(sum) != sha256.Size {
		return problem.New(problem.Unprocessable, "ekSha256 is the SHA-256 of an endorsement key's SubjectPublicKeyInfo, 64 hexadecimal digits.", nil)
	}
	if err := c.api.Attestations.Pin(c.ctx(), c.actor(), c.param("device"), [sha256.Size]byte(sum)); err != nil {
		return err
	}
	return readDeviceTPM(c)
}

func unpinTPM(c *call) error {
	if err := c.api.Attestations.Unpin(c.ctx(), c.actor(), c.param("device")); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
