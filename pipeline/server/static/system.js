import { ask, attempt } from "./page.js";

const user = document.getElementById("user");
user?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = user.parentElement.querySelector(".problem");
  try {
    await ask("PUT", `/api/v1/users/${encodeURIComponent(user.elements.name.value)}`, { password: user.password.value, role: user.role.value });
    location.reload();
  } catch (error) { problem.textContent = error.message; problem.hidden = false; }
});
const token = document.getElementById("token");
token?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const made = await ask("POST", "/api/v1/tokens", { role: token.role.value, note: token.note.value });
    const output = token.parentElement.querySelector("output");
    output.textContent = `${made.token} — copy it now; it is never shown again.`;
    output.hidden = false;
  });
});
document.addEventListener("click", (event) => {
  const { removeUser, revoke } = event.target.dataset ?? {};
  if (removeUser && confirm(`Remove user ${removeUser}?`)) attempt(async () => { await ask("DELETE", `/api/v1/users/${encodeURIComponent(removeUser)}`); location.reload(); });
  if (revoke && confirm(`Revoke token ${revoke}?`)) attempt(async () => { await ask("DELETE", `/api/v1/tokens/${revoke}`); location.reload(); });
});
const settings = document.getElementById("settings");
const read = ({ dataset, value }) => {
  if (dataset.kind === "switch") return value === "true";
  if (value === "") return null;
  return dataset.kind === "number" ? Number(value) : value;
};
const before = new Map([...(settings?.querySelectorAll("[data-kind]") ?? [])].map((field) => [field.name, read(field)]));
settings?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const problem = settings.querySelector(".problem");
  try {
    for (const field of settings.querySelectorAll("[data-kind]")) {
      const [value, known] = [read(field), before.get(field.name)];
      if (value === known) continue;
      await ask("PUT", `/api/v1/config/${field.name}`, { value, before: known });
      before.set(field.name, value);
    }
    location.reload();
  } catch (error) { problem.textContent = error.message; problem.hidden = false; }
});
