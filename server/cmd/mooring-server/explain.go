package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
)

func explain(ctx context.Context, args []string, s streams) error {
	return withTenant(ctx, "explain", args, s, func(a *admin, tenant string, names []string) error {
		if len(names) != 1 {
			return usageError{errors.New("give one CN")}
		}
		var list struct {
			Refusals []struct{ Time, Door, Address, Reason, Text, Detail, Serial string }
		}
		path := "/mooring/refusals?pageSize=20&cn=" + url.QueryEscape(names[0])
		if err := a.call(ctx, http.MethodGet, path, "", nil, &list); err != nil {
			return err
		}
		if len(list.Refusals) == 0 {
			_, err := fmt.Fprintf(s.out, "%s was not refused by tenant %s (refusals nobody can be charged with are kept under --tenant management)\n", names[0], tenant)
			return err
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		for _, r := range list.Refusals {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Time, r.Door, r.Address, r.Serial, r.Reason, firstOf(r.Detail, r.Text))
		}
		return w.Flush()
	})
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func tenantList(ctx context.Context, args []string, s streams) error {
	fs := flags("tenant list", s)
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
	var list struct {
		Tenants []struct{ ID, Domain, CreationTime string }
	}
	if err := a.call(ctx, http.MethodGet, "/tenant/tenants?pageSize=2000", "", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TENANT\tDOMAIN\tCREATED")
	for _, t := range list.Tenants {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.ID, t.Domain, t.CreationTime)
	}
	return w.Flush()
}
