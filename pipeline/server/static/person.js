import { ask, attempt } from "./page.js";

const { identity, revision } = document.querySelector("[data-identity]").dataset;
const path = `/api/v1/people/${identity}`;
document.querySelector("form[data-name]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => { await ask("PATCH", path, { name: event.target.name.value.trim(), revision }); location.reload(); });
});
document.querySelector("[data-watch]")?.addEventListener("click", (event) => {
  attempt(async () => { await ask("PATCH", path, { watched: event.target.dataset.watch === "true", revision }); location.reload(); });
});
document.querySelector("[data-forget]")?.addEventListener("click", () => {
  if (!confirm("Delete this person's pictures, sightings and events? This cannot be undone.")) return;
  attempt(async () => { await ask("DELETE", path); location.href = "/people"; });
});
const merging = document.querySelector("form[data-merge]");
const preview = () => {
  const image = merging.querySelector("img");
  const { picture } = merging.elements.other.selectedOptions[0].dataset;
  image.hidden = !picture;
  if (picture) image.src = picture;
};
merging?.elements.other.addEventListener("change", preview);
if (merging) preview();
merging?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => { await ask("POST", `${path}/merge`, { other: Number(event.target.other.value) }); location.reload(); });
});
const split = document.querySelector("[data-split]");
const chosen = () => [...document.querySelectorAll(".pick:checked")].map((box) => Number(box.value));
document.addEventListener("change", (event) => { if (split && event.target.matches(".pick")) split.disabled = chosen().length === 0; });
split?.addEventListener("click", () => attempt(async () => {
  const other = await ask("POST", `${path}/split`, { sightings: chosen() });
  location.href = `/people/${other.identity}`;
}));
document.getElementById("doubts")?.addEventListener("click", (event) => {
  const { same, sighting, person } = event.target.dataset;
  if (!same) return;
  const decision = { same: same === "true", ...(sighting ? { sighting: Number(sighting) } : { other: Number(person) }) };
  attempt(async () => { await ask("POST", `${path}/decisions`, decision); location.reload(); });
});
