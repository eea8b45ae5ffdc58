// The page of the link that a device prints: it registers the device with the
// one-time password that the device has made.
import * as api from "./api.js";
import { field, make, onSubmit, say, show } from "./page.js";

// view shows what the link says. It is in the fragment, which no browser sends.
export async function view(parameters) {
  const form = make("form", {},
    make("h2", { textContent: "Register a device" }),
    make("p", { textContent: "Compare both with what the device shows. Whoever knows the password gets the device's certificate." }),
    ...field("external-id", "External ID", { className: "code", value: parameters.get("externalId") ?? "", autocapitalize: "none", autocomplete: "off", spellcheck: false }),
    ...field("one-time-password", "One-time password",
      { className: "code", value: parameters.get("one-time-password") ?? "", maxLength: 32, autocapitalize: "none", autocomplete: "off", spellcheck: false },
      "At most 32 characters; it works once."),
    make("button", { id: "register", textContent: "Register" }));
  onSubmit(form, () => register(form.querySelector("#external-id").value, form.querySelector("#one-time-password").value));
  show(form);
  await offerAuthority(form);
}

async function register(id, password) {
  try {
    await api.post("/devicecontrol/newDeviceRequests", { id, enrollmentToken: password });
  } catch (problem) {
    throw new api.Problem(problem.status, problem.code, problem.message + hint(problem));
  }
  history.replaceState(null, "", "#/deviceregistration"); // the password need not stay in the history
  show(make("h2", { textContent: "Registered" }),
    make("p", {}, make("strong", { textContent: id }), " fetches its certificate when it asks the next time, mostly within a minute."));
  say("The device is registered.");
}

function hint(problem) {
  if (problem.status === 403) {
    return " To register devices your user needs the permission to administrate device control.";
  }
  if (problem.status === 401) {
    return " Load the page again and log in.";
  }
  if (problem.code === "devicecontrol/Non Unique Result") {
    return " The device can use the password registered before; to replace it, delete that registration first.";
  }
  return "";
}

// offerAuthority tells who could not enrol the device anyway, and helps who may.
// Who may not read the list is told nothing.
async function offerAuthority(beside) {
  let tenant, list;
  try {
    tenant = (await api.get("/tenant/currentTenant")).name;
    list = await api.get(`/tenant/tenants/${encodeURIComponent(tenant)}/trusted-certificates?certificateAuthority=true`);
  } catch {
    return;
  }
  if (list.certificates.length > 0 || !beside.isConnected) { // or another view is shown by now
    return;
  }
  const form = make("form", { id: "authority" },
    make("p", { className: "bad", textContent: `Tenant ${tenant} has no certificate authority, so no device can enrol yet.` }),
    make("button", { id: "make-authority", textContent: "Create the certificate authority" }));
  onSubmit(form, async () => {
    await api.post("/certificate-authority", {});
    form.remove();
    say("The certificate authority is there. Now register the device.");
  });
  beside.after(form);
}
