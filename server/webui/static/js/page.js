// Makes elements. Text goes in as text, never as HTML.

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// field is a labelled input; both are returned in a fragment that form.append takes.
export function field(id, label, properties, hint) {
  const input = make("input", { id, required: true, ...properties });
  const all = [make("label", { htmlFor: id, textContent: label }), input];
  if (hint) {
    all.push(make("small", { id: `${id}-hint`, textContent: hint }));
    input.setAttribute("aria-describedby", `${id}-hint`);
  }
  return all;
}

// say tells what became of it; bad is for what went wrong.
export function say(text, bad = false) {
  const said = document.getElementById("said");
  said.className = bad ? "bad" : "good";
  said.textContent = text;
}

// show replaces the view and moves the focus to it, or to what first asks for input.
export function show(...children) {
  const view = document.getElementById("view");
  view.replaceChildren(...children);
  (view.querySelector("input") ?? view).focus();
}

// onSubmit runs work once at a time and tells its errors.
export function onSubmit(form, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    buttons.forEach((b) => { b.disabled = true; });
    say("");
    try {
      await work();
    } catch (problem) {
      say(problem.message, true);
    } finally {
      buttons.forEach((b) => { b.disabled = false; });
    }
  });
}
