// What all pages share: colours, local times, parts that refresh themselves, notes, requests.
const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";

export class Refused extends Error {
  constructor(problem) { super(problem.detail); this.problem = problem; }
}

export async function ask(method, path, body) {
  const headers = { "x-csrf-token": csrf };
  if (body !== undefined && !(body instanceof Blob)) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(body);
  }
  const answer = await fetch(path, { method, headers, body });
  if (answer.status === 401) { location.href = "/login"; throw new Error("log in"); }
  if (!answer.ok) {
    let problem = { detail: `the server answers ${answer.status}` };
    try { problem = await answer.json(); } catch { /* no problem document */ }
    throw new Refused(problem);
  }
  if (answer.status === 204) return null;
  return answer.headers.get("content-type")?.startsWith("application/json") ? answer.json() : answer.blob();
}

export function note(text, bad = false) {
  const element = document.createElement("p");
  element.textContent = text;
  if (bad) element.className = "bad";
  document.getElementById("notes").append(element);
  setTimeout(() => element.remove(), 6000);
}

export async function attempt(action) {
  try { return await action(); } catch (error) { note(error.message, true); return undefined; }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function dress(root = document) {
  for (const element of root.querySelectorAll("[data-color]")) element.style.setProperty("--own", element.dataset.color);
  for (const element of root.querySelectorAll("time[data-epoch]")) {
    const date = new Date(1000 * Number(element.dataset.epoch));
    const today = date.toDateString() === new Date().toDateString();
    element.textContent = (today ? clock : day).format(date);
    element.title = date.toLocaleString();
  }
  reach(root);
}

// Tables that are wider than the screen are moved sideways, also by keyboard.
function reach(root = document) {
  for (const table of root.querySelectorAll("table.list")) {
    if (table.scrollWidth > table.clientWidth) table.tabIndex = 0; else table.removeAttribute("tabindex");
  }
}
addEventListener("resize", () => reach());

export async function refresh(...elements) {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (answer.redirected && new URL(answer.url).pathname === "/login") { location.href = "/login"; return; }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const element of elements) {
    const fresh = page.getElementById(element.id);
    if (!fresh || fresh.innerHTML === element.dataset.shown) continue;
    element.dataset.shown = fresh.innerHTML;
    const focused = element.contains(document.activeElement) && document.activeElement.matches("a, button");
    if (focused) continue; // nobody loses the button that they are about to press
    element.replaceChildren(...fresh.childNodes);
    dress(element);
  }
}

// One request for all parts that refresh themselves at the same interval.
const parts = new Map();
for (const element of document.querySelectorAll("[data-refresh]")) {
  const seconds = Number(element.dataset.refresh);
  parts.set(seconds, [...(parts.get(seconds) ?? []), element]);
}
for (const [seconds, elements] of parts) {
  const again = async () => {
    if (!document.hidden) { try { await refresh(...elements); } catch { /* the server is away; the next try comes */ } }
    setTimeout(again, 1000 * seconds);
  };
  setTimeout(again, 1000 * seconds);
}
for (const element of document.querySelectorAll("[data-submit]")) element.addEventListener("change", () => element.form.submit());
for (const button of document.querySelectorAll("[data-theme-toggle]")) button.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});
for (const button of document.querySelectorAll("[data-logout]")) button.addEventListener("click", async () => {
  await attempt(() => ask("POST", "/api/v1/logout"));
  location.href = "/login";
});
dress();
