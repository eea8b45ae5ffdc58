package main

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
)

type trustedCertificate struct {
	Fingerprint, Name, Subject, Status, NotAfter, CertInPemFormat string
	TenantCertificateAuthority                                    bool
}

// withTenant parses args, opens the server and runs f with the tenant's ID.
func withTenant(ctx context.Context, name string, args []string, s streams,
	f func(a *admin, tenant string, positional []string) error) error {
	fs := flags(name, s)
	common := newAdminFlags(fs)
	positional, err := parse(fs, args)
	if err != nil {
		return err
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	tenant, err := a.tenantID(ctx)
	if err != nil {
		return err
	}
	return f(a, tenant, positional)
}

func caCreate(ctx context.Context, args []string, s streams) error {
	return withTenant(ctx, "ca create", args, s, func(a *admin, tenant string, _ []string) error {
		var ca trustedCertificate
		if err := a.call(ctx, http.MethodPost, "/certificate-authority", "", nil, &ca); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s  %s  valid until %s\n", ca.Fingerprint, ca.Subject, ca.NotAfter)
		return err
	})
}

func caShow(ctx context.Context, args []string, s streams) error {
	return withTenant(ctx, "ca show", args, s, func(a *admin, tenant string, _ []string) error {
		list, err := a.trusted(ctx, tenant, "?certificateAuthority=true")
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return hinted{errors.New("the tenant has no certificate authority"), "mooring-server ca create"}
		}
		der, err := base64.StdEncoding.DecodeString(list[0].CertInPemFormat)
		if err != nil {
			return err
		}
		return pem.Encode(s.out, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	})
}

func trustList(ctx context.Context, args []string, s streams) error {
	return withTenant(ctx, "trust list", args, s, func(a *admin, tenant string, _ []string) error {
		list, err := a.trusted(ctx, tenant, "?pageSize=2000")
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "FINGERPRINT\tSTATUS\tNAME\tSUBJECT\tNOT AFTER")
		for _, c := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Fingerprint, c.Status, c.Name, c.Subject, c.NotAfter)
		}
		return w.Flush()
	})
}

func (a *admin) trusted(ctx context.Context, tenant, query string) ([]trustedCertificate, error) {
	var list struct{ Certificates []trustedCertificate }
	path := "/tenant/tenants/" + url.PathEscape(tenant) + "/trusted-certificates" + query
	err := a.call(ctx, http.MethodGet, path, "", nil, &list)
	return list.Certificates, err
}

func trustRevoke(ctx context.Context, args []string, s streams) error {
	return withTenant(ctx, "trust revoke", args, s, func(a *admin, tenant string, serials []string) error {
		if len(serials) == 0 {
			return usageError{errors.New("no SERIAL given")}
		}
		type entry struct {
			SerialNumberInHex string `json:"serialNumberInHex"`
		}
		body := struct {
			CRLs []entry `json:"crls"`
		}{}
		for _, serial := range serials {
			body.CRLs = append(body.CRLs, entry{serial})
		}
		if err := a.call(ctx, http.MethodPut, "/tenant/trusted-certificates/settings/crl", "", body, nil); err != nil {
			return err
		}
		on := struct {
			Value string `json:"value"`
		}{"true"}
		if err := a.call(ctx, http.MethodPut, "/tenant/options/configuration/crl.offline.check.enabled", "", on, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%d serial(s) on the revocation list of %s; the check is on\n", len(serials), tenant)
		return err
	})
}
