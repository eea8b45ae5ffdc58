package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
)

// maxOTP is the longest one-time password clients can send (rest.md §1.6).
const maxOTP = 32

func deviceRegister(ctx context.Context, args []string, s streams) error {
	fs := flags("device register", s)
	common := newAdminFlags(fs)
	id := fs.String("id", "", "external `ID` of the device, the common name of its certificates")
	otpFile := fs.String("otp-file", "", "`FILE` with the one-time password, - for standard input; default: a new one")
	name := fs.String("name", "", "`NAME` in the inventory")
	objectType := fs.String("type", "", "`TYPE` in the inventory")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if *id == "" {
		return usageError{errors.New("no --id ID")}
	}
	otp, err := readOTP(*otpFile, s.in)
	if err != nil {
		return err
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()

	rows := csvLine("ID", "AUTH_TYPE", "ENROLLMENT_OTP", "NAME", "TYPE") + csvLine(*id, "CERTIFICATES", otp, *name, *objectType)
	body, contentType, err := multipartFile(rows)
	if err != nil {
		return err
	}
	var result struct {
		NumberOfSuccessful int
		FailedCreationList []struct{ FailureReason string }
	}
	if err := a.call(ctx, http.MethodPost, "/devicecontrol/bulkNewDeviceRequests", contentType, body, &result); err != nil {
		return err
	}
	if result.NumberOfSuccessful != 1 {
		if len(result.FailedCreationList) > 0 {
			return fmt.Errorf("not registered: %s", result.FailedCreationList[0].FailureReason)
		}
		return errors.New("not registered")
	}
	fmt.Fprintf(s.err, "%s may enrol with the password below, once\n", *id)
	_, err = fmt.Fprintln(s.out, otp)
	return err
}

// readOTP takes the password from file, from standard input, or makes one of
// 26 letters and digits (130 bits).
func readOTP(file string, stdin io.Reader) (string, error) {
	if file == "" {
		return rand.Text(), nil
	}
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return "", err
	}
	otp := strings.TrimRight(string(text), "\r\n")
	if otp == "" || len(otp) > maxOTP {
		return "", fmt.Errorf("the one-time password must have 1 to %d characters", maxOTP)
	}
	return otp, nil
}

func csvLine(cells ...string) string {
	quoted := make([]string, len(cells))
	for i, c := range cells {
		quoted[i] = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ";") + "\n"
}

func multipartFile(content string) (io.Reader, string, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "devices.csv")
	if err != nil {
		return nil, "", err
	}
	_, _ = io.WriteString(part, content) // into a buffer: never fails
	return &body, w.FormDataContentType(), w.Close()
}

func deviceCertificates(ctx context.Context, args []string, s streams) error {
	fs := flags("device certificates", s)
	common := newAdminFlags(fs)
	id := fs.String("id", "", "external `ID` of the device")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if *id == "" {
		return usageError{errors.New("no --id ID")}
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
	var user struct {
		ProvisionedCertificates []struct{ SerialNumber, NotBefore, NotAfter string }
	}
	path := "/user/" + url.PathEscape(tenant) + "/users/" + url.PathEscape("device_"+*id) + "?withCertificates=true"
	if err := a.call(ctx, http.MethodGet, path, "", nil, &user); err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERIAL\tNOT BEFORE\tNOT AFTER")
	for _, c := range user.ProvisionedCertificates {
		fmt.Fprintf(w, "%s\t%s\t%s\n", c.SerialNumber, c.NotBefore, c.NotAfter)
	}
	return w.Flush()
}
