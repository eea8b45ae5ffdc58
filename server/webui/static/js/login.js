import * as api from "./api.js";
import { field, make, onSubmit, show } from "./page.js";

// view asks for name and password and calls then() when they were right.
export function view(then) {
  const form = make("form", {},
    make("h2", { textContent: "Log in" }),
    ...field("user", "User", { autocomplete: "username", autocapitalize: "none", spellcheck: false }),
    ...field("password", "Password", { type: "password", autocomplete: "current-password" }),
    make("button", { id: "login", textContent: "Log in" }));
  onSubmit(form, async () => {
    await api.login(form.querySelector("#user").value, form.querySelector("#password").value);
    await then();
  });
  show(form);
}
