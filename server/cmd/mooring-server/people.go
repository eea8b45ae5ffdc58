package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// maxPasswordFile bounds a file with a password.
const maxPasswordFile = 4096

// readPassword takes a password from file, from standard input, or makes one.
func readPassword(file string, stdin io.Reader) (password string, made bool, err error) {
	if file == "" {
		return rand.Text(), true, nil
	}
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", false, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxPasswordFile))
	return strings.TrimRight(string(text), "\r\n"), false, err
}

const passwordFileUsage = "`FILE` with the password, - for standard input; default: a new one, printed"

func tenantCreate(ctx context.Context, args []string, s streams) error {
	fs := flags("tenant create", s)
	common := newAdminFlags(fs)
	id := fs.String("id", "", "`ID` of the new tenant, \"t1001\"; default: one is drawn")
	domain := fs.String("domain", "", "host `NAME` of the tenant; default: its ID before the server's domain")
	name := fs.String("admin", "admin", "`NAME` of its administrator")
	file := fs.String("password-file", "", passwordFileUsage)
	if _, err := parse(fs, args); err != nil {
		return err
	}
	password, made, err := readPassword(*file, s.in)
	if err != nil {
		return err
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	a.tenant = "management"
	in := map[string]string{"id": *id, "domain": *domain, "adminName": *name, "adminPass": password}
	var t struct{ ID, Domain string }
	if err := a.call(ctx, http.MethodPost, "/tenant/tenants", "", in, &t); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "tenant %s (%s) with its administrator %s\n", t.ID, t.Domain, *name)
	return printPassword(s, password, made)
}

func userPassword(ctx context.Context, args []string, s streams) error {
	fs := flags("user password", s)
	common := newAdminFlags(fs)
	name := fs.String("user", "", "`NAME` of the user")
	file := fs.String("password-file", "", passwordFileUsage)
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if *name == "" {
		return usageError{errors.New("no --user NAME")}
	}
	password, made, err := readPassword(*file, s.in)
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
	path := "/user/" + url.PathEscape(tenant) + "/users/" + url.PathEscape(*name)
	if err := a.call(ctx, http.MethodPut, path, "", map[string]string{"password": password}, nil); err != nil {
		return err
	}
	fmt.Fprintf(s.err, "%s/%s has a new password\n", tenant, *name)
	return printPassword(s, password, made)
}

func printPassword(s streams, password string, made bool) error {
	if !made {
		return nil
	}
	_, err := fmt.Fprintln(s.out, password)
	return err
}

func bootstrapShow(ctx context.Context, args []string, s streams) error {
	return bootstrap(ctx, args, s, "bootstrap show", http.MethodGet)
}

func bootstrapRotate(ctx context.Context, args []string, s streams) error {
	return bootstrap(ctx, args, s, "bootstrap rotate", http.MethodPost)
}

func bootstrap(ctx context.Context, args []string, s streams, name, method string) error {
	fs := flags(name, s)
	common := newAdminFlags(fs)
	if _, err := parse(fs, args); err != nil {
		return err
	}
	a, err := common.open(ctx)
	if err != nil {
		return err
	}
	defer a.close()
	a.tenant = "management"
	var user struct{ Tenant, User, Password string }
	if err := a.call(ctx, method, "/mooring/bootstrap", "", nil, &user); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s/%s %s\n", user.Tenant, user.User, user.Password)
	return err
}
