// Speaks to the REST API with the cookies of a login.

// Problem is an answer of the server that is an error.
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function cookie(name) {
  for (const pair of document.cookie.split("; ")) {
    const at = pair.indexOf("=");
    if (pair.slice(0, at) === name) {
      return decodeURIComponent(pair.slice(at + 1));
    }
  }
  return "";
}

async function send(method, path, headers, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method, body, credentials: "same-origin", cache: "no-store", redirect: "error",
      // UseXBasic: the browser shall not ask for a password itself.
      headers: { Accept: "application/json", UseXBasic: "true", "X-XSRF-TOKEN": cookie("XSRF-TOKEN"), ...headers },
    });
  } catch {
    throw new Problem(0, "", "The server cannot be reached.");
  }
  const text = await answer.text();
  let said = null;
  try {
    said = JSON.parse(text);
  } catch {
    // An empty answer, or one of something between us and the server.
  }
  if (!answer.ok) {
    throw new Problem(answer.status, String(said?.error ?? ""), String(said?.message ?? `The server answered with status ${answer.status}.`));
  }
  return said;
}

export const get = (path) => send("GET", path, {});

export const post = (path, body) => send("POST", path, { "Content-Type": "application/json" }, JSON.stringify(body));

// login sets the cookies. user may name its tenant: "t1000/admin".
export function login(user, password) {
  const form = new URLSearchParams({ grant_type: "PASSWORD", username: user, password });
  return send("POST", "/tenant/oauth", { "Content-Type": "application/x-www-form-urlencoded" }, form.toString());
}

export const logout = () => send("POST", "/user/logout", {});

// currentUser is null when nobody has logged in.
export async function currentUser() {
  try {
    return await get("/user/currentUser");
  } catch (problem) {
    if (problem.status === 401) {
      return null;
    }
    throw problem;
  }
}
