package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
)

const tpmPath = "/mooring/tpm"

// attestationMakers lists the makers of TPMs whose word a tenant takes, after it has
// added or deleted some.
func attestationMakers(ctx context.Context, args []string, s streams) error {
	fs := flags("attestation makers", s)
	common := newAdminFlags(fs)
	add := fs.String("add", "", "PEM `file` with certificates of makers, or of what vouches for their TPMs")
	remove := fs.String("delete", "", "SHA-256 in `hex` of a certificate to be deleted")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	var text []byte
	if *add != "" {
		var err error
		if text, err = readBounded(*add, maxMakersBytes); err != nil {
			return err
		}
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	if text != nil {
		if err := a.call(ctx, http.MethodPost, tpmPath+"/makers", "application/x-pem-file", bytes.NewReader(text), nil); err != nil {
			return err
		}
	}
	if *remove != "" {
		if err := a.call(ctx, http.MethodDelete, tpmPath+"/makers/"+url.PathEscape(*remove), "", nil, nil); err != nil {
			return err
		}
	}
	return a.showMakers(ctx, s)
}

func (a *admin) showMakers(ctx context.Context, s streams) error {
	var list struct {
		Makers []struct{ Fingerprint, Subject, NotAfter string }
	}
	if err := a.call(ctx, http.MethodGet, tpmPath+"/makers", "", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SHA-256\tNOT AFTER\tSUBJECT")
	for _, m := range list.Makers {
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.Fingerprint, m.NotAfter, m.Subject)
	}
	return w.Flush()
}

// deviceTPM notes which TPM a device has, and shows what is known of it.
func deviceTPM(ctx context.Context, args []string, s streams) error {
	fs := flags("device tpm", s)
	common := newAdminFlags(fs)
	id := fs.String("id", "", "external `ID` of the device")
	note := fs.String("ek-sha256", "", "SHA-256 in `hex` of the endorsement key (SubjectPublicKeyInfo) that the device has to show from now on")
	forget := fs.Bool("forget", false, "forget which one it has to show")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if *id == "" || *note != "" && *forget {
		return usageError{errors.New("--id is needed, and at most one of --ek-sha256 and --forget")}
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	path := tpmPath + "/devices/" + url.PathEscape(*id)
	switch {
	case *note != "":
		err = a.call(ctx, http.MethodPut, path, "", map[string]string{"ekSha256": *note}, nil)
	case *forget:
		err = a.call(ctx, http.MethodDelete, path, "", nil, nil)
	}
	if err != nil {
		return err
	}
	return a.showTPM(ctx, path, s)
}

func (a *admin) showTPM(ctx context.Context, path string, s streams) error {
	var known struct {
		EKSha256 string
		Last     *struct{ Serial, EKSha256, By, Manufacturer, Model, Firmware string }
	}
	if err := a.call(ctx, http.MethodGet, path, "", nil, &known); err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	if known.EKSha256 != "" {
		fmt.Fprintf(w, "noted\t%s\n", known.EKSha256)
	}
	if l := known.Last; l != nil {
		fmt.Fprintf(w, "proved\t%s\nby\t%s\ncertificate\t%s\nmanufacturer\t%s\nmodel\t%s\nfirmware\t%s\n", l.EKSha256, l.By, l.Serial, l.Manufacturer, l.Model, l.Firmware)
	} else {
		fmt.Fprintln(w, "proved\tnothing")
	}
	return w.Flush()
}
