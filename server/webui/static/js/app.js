// Chooses a view by the fragment, #/name?parameters, once somebody has logged in.
import * as api from "./api.js";
import * as login from "./login.js";
import { make, say, show } from "./page.js";
import * as deviceregistration from "./deviceregistration.js";

const views = { deviceregistration: deviceregistration.view };

function home() {
  show(make("h2", { textContent: "Devices" }),
    make("p", {}, make("a", { href: "#/deviceregistration", textContent: "Register a device" })));
}

// route takes a fragment apart. Parameters are those of a form: "+" is a space.
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  return { view: Object.hasOwn(views, path) ? views[path] : home, parameters: new URLSearchParams(query) };
}

async function start() {
  say("");
  try {
    const user = await api.currentUser();
    document.getElementById("who").hidden = !user;
    if (!user) {
      login.view(start);
      return;
    }
    document.getElementById("who-name").textContent = user.userName;
    const { view, parameters } = route();
    await view(parameters);
  } catch (problem) {
    say(problem.message, true);
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  try {
    await api.logout();
  } catch (problem) {
    say(problem.message, true);
  }
  await start();
});
window.addEventListener("hashchange", start);
await start();
