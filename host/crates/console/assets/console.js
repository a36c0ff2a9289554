// The console's own script: the theme, parts of a page that are fetched again, the palette, keys, following the log.
// Every page can be read and used without it.
"use strict";

const saved = localStorage.getItem("theme");
if (saved) document.documentElement.dataset.theme = saved;

const token = () => document.querySelector('meta[name="token"]')?.content ?? "";
const one = (selector) => document.querySelector(selector);

function theme() {
  const button = one("#theme");
  if (!button) return;
  const dark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  const say = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.hidden = false;
  say();
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    localStorage.setItem("theme", next);
    say();
  });
}

// A part that is alive is fetched again: after a while, or when the host says that something has changed.
function live() {
  const part = one("#live");
  if (!part) return;
  let fetching = false, wanted = false, fresh = new Date();
  // Nobody should take for now what was a while ago.
  const answers = (is) => {
    const said = one("#stale");
    if (is) { fresh = new Date(); said?.remove(); return; }
    if (said) return;
    const notice = document.createElement("div");
    notice.id = "stale";
    notice.className = "notice bad";
    notice.setAttribute("role", "alert");
    notice.textContent = `The host does not answer. This is how it was at ${fresh.toLocaleTimeString()}.`;
    one("main").prepend(notice);
  };
  const busy = () => document.hidden || !getSelection().isCollapsed || one("#live input:focus, #live details[open]");
  const again = async () => {
    if (busy()) return;
    if (fetching) { wanted = true; return; }
    fetching = true;
    try {
      await htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerHTML" });
    } catch {
      answers(false);
    } finally {
      fetching = false;
      if (wanted) { wanted = false; setTimeout(again, 400); }
    }
  };
  document.body.addEventListener("htmx:sendError", () => answers(false));
  document.body.addEventListener("htmx:responseError", () => answers(false));
  document.body.addEventListener("htmx:afterSwap", () => answers(true));
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.responseURL.includes("/console/sign-in")) { event.detail.shouldSwap = false; location.reload(); }
  });
  // What takes long is asked for less often: a page that is open costs a host a twentieth of its time at most.
  const next = (wait) => setTimeout(async () => {
    const began = performance.now();
    await again();
    next(Math.max(Number(part.dataset.every), 20 * (performance.now() - began)));
  }, wait);
  if (part.dataset.every) next(Number(part.dataset.every));
  if (part.dataset.stream) {
    const source = new EventSource(part.dataset.stream);
    let last = 0;
    source.addEventListener("error", () => answers(false));
    source.addEventListener("open", () => answers(true));
    source.addEventListener("status", (event) => {
      // The first message says what the page shows already.
      if (last === 0) { last = Date.now(); return; }
      const wait = Math.max(0, 1000 - (Date.now() - last));
      last = Date.now() + wait;
      setTimeout(again, wait);
    });
  }
}

// New events come on top of a list, as long as somebody follows.
function tail() {
  const table = one("table[data-tail]"), button = one("#tail"), body = one("#events");
  if (!table || !button || !body) return;
  let source = null;
  button.hidden = false;
  const cell = (row, text, link, right) => {
    const td = row.insertCell();
    if (right) td.className = "right";
    if (link) { const a = document.createElement("a"); a.href = link; a.textContent = text; td.append(a); }
    else td.textContent = text;
    return td;
  };
  const add = (event) => {
    const row = body.insertRow(0);
    row.className = "fresh";
    cell(row, event.position.toLocaleString("en"), `/console/events/${event.position}`, true);
    cell(row, "just now");
    cell(row, `${event.type}/${event.schema}`);
    cell(row, event.stream, `/console/events?stream=${encodeURIComponent(event.stream)}`);
    const data = cell(row, "");
    data.className = "wide";
    const code = document.createElement("code");
    code.className = "data";
    code.textContent = JSON.stringify(event.data).slice(0, 110);
    data.append(code);
    while (body.rows.length > 200) body.deleteRow(-1);
  };
  button.addEventListener("click", () => {
    if (source) { source.close(); source = null; }
    else {
      const first = body.rows[0]?.cells[0]?.textContent.replaceAll(",", "");
      const url = new URL(table.dataset.tail, location.href);
      if (first) url.searchParams.set("after", first);
      source = new EventSource(url);
      source.addEventListener("event", (message) => add(JSON.parse(message.data)));
    }
    button.setAttribute("aria-pressed", String(Boolean(source)));
    button.textContent = source ? "Following: stop" : "Follow";
  });
}

function palette() {
  const dialog = one("#palette"), input = one("#palette-text"), list = one("#palette-found");
  if (!dialog) return;
  let chosen = 0, asked = 0;
  const links = () => [...list.querySelectorAll("a")];
  const choose = (nth) => {
    const all = links();
    if (!all.length) return;
    chosen = (nth + all.length) % all.length;
    all.forEach((a, at) => a.setAttribute("aria-selected", String(at === chosen)));
    all[chosen].scrollIntoView({ block: "nearest" });
  };
  const find = async () => {
    const turn = ++asked;
    const answer = await fetch(`/console/find.json?q=${encodeURIComponent(input.value)}`);
    if (!answer.ok || turn !== asked) return;
    const found = await answer.json();
    list.replaceChildren(...found.map((it) => {
      const li = document.createElement("li"), a = document.createElement("a"), kind = document.createElement("span");
      a.href = it.address;
      a.textContent = it.name;
      kind.textContent = it.kind;
      a.append(kind);
      li.append(a);
      return li;
    }));
    choose(0);
  };
  const open = () => { input.value = ""; dialog.showModal(); input.focus(); find(); };
  one("#find")?.addEventListener("click", (event) => { event.preventDefault(); open(); });
  input.addEventListener("input", find);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); choose(chosen + 1); }
    if (event.key === "ArrowUp") { event.preventDefault(); choose(chosen - 1); }
    if (event.key === "Enter") { event.preventDefault(); links()[chosen]?.click(); }
  });
  let went = 0;
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "/") { event.preventDefault(); open(); }
    if (event.key === "g") { went = Date.now(); return; }
    if (Date.now() - went < 1200) one(`nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
    went = 0;
  });
}

function copies() {
  for (const code of document.querySelectorAll("[data-origin]")) code.textContent = code.textContent.replace("'/", `'${location.origin}/`);
  for (const button of document.querySelectorAll("[data-copy], [data-copy-above]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy ?? button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
}

function forms() {
  for (const field of document.querySelectorAll("[data-submit]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
    const shown = field.dataset.shown && one(`#${field.dataset.shown}`);
    if (shown) field.addEventListener("input", () => { shown.value = Number(field.value).toLocaleString("en"); });
  }
  // What is sent twice by two clicks is done once; the second click need not be sent.
  for (const form of document.querySelectorAll('form[method="post"]')) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
      setTimeout(() => { delete form.dataset.sent; }, 4000);
    });
  }
}

// A file is sent as soon as it is chosen, and several one after the other; without this the form sends one.
function upload() {
  const form = one("#upload"), input = one("#wasm"), said = one("#upload-said");
  if (!form) return;
  form.querySelector("button").hidden = true;
  input.multiple = true;
  input.addEventListener("change", async () => {
    const url = new URL(location.href);
    for (const file of input.files) {
      said.textContent = `${file.name} is uploaded…`;
      const answer = await fetch(form.dataset.to, {
        method: "POST", body: file, headers: { "content-type": "application/wasm", "kinora-console-token": token() },
      });
      const module = await answer.json();
      if (!answer.ok) { said.textContent = `${file.name}: ${module.detail ?? answer.status} ${module.hint ?? ""}`; return; }
      if (module.kind === "upcaster") url.searchParams.append("upcaster", module.digest);
      else {
        url.searchParams.set("module", module.digest);
        url.searchParams.set("kind", module.kind === "decider" ? "decider" : "projection");
      }
    }
    location.assign(url);
  });
}

addEventListener("DOMContentLoaded", () => { theme(); live(); tail(); palette(); copies(); forms(); upload(); });
