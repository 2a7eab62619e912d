import { ask, dress } from "./page.js";

const drop = document.getElementById("drop");
const input = drop.querySelector("input");
const shown = drop.querySelector("img");
const problem = document.querySelector("main > .problem");
const matches = document.getElementById("matches");
const filters = document.getElementById("filters").elements;
const person = new URLSearchParams(location.search).get("person");
let picture = null;

export function card(match) {
  const element = document.createElement("a");
  element.className = "card";
  element.href = `/people/${match.identity}`;
  const image = document.createElement("img");
  image.alt = "";
  image.src = `/api/v1/pictures/${match.id}.jpg`;
  const line = document.createElement("span");
  line.className = "line";
  const chip = document.createElement("span");
  chip.className = `chip ${match.ink}`;
  chip.dataset.color = match.color;
  chip.textContent = match.identity;
  line.append(chip, ` ${Math.round(100 * match.similarity)} % alike`);
  const where = document.createElement("span");
  where.className = "small";
  const time = document.createElement("time");
  time.dataset.epoch = match.last;
  where.append(`${match.title} · `, time);
  element.append(image, line, where);
  return element;
}

async function search() {
  if (!picture && !person) return;
  const query = new URLSearchParams();
  if (filters.camera.value) query.set("camera", filters.camera.value);
  if (filters.hours.value) query.set("since", Date.now() / 1000 - 3600 * Number(filters.hours.value));
  problem.hidden = true;
  drop.classList.add("busy");
  try {
    const found = picture ? await ask("POST", `/api/v1/search?${query}`, picture) : await ask("GET", `/api/v1/people/${person}/alike?${query}`);
    matches.replaceChildren(...found.matches.map(card));
    dress(matches);
    const title = document.getElementById("found");
    title.firstChild.textContent = picture ? "Most alike " : `Most like person ${person} `;
    title.hidden = false;
    document.querySelector("#found .count").textContent = found.matches.length;
    const from = document.getElementById("threshold");
    const best = found.matches[0]?.similarity ?? 1;
    from.textContent = `From ${Math.round(100 * found.threshold)} % on two pictures count as one person.${best < found.threshold ? " Nobody here looks so much alike." : ""}`;
    from.hidden = !found.matches.length;
    if (!found.matches.length) matches.textContent = "Nobody was seen in that camera and time.";
  } catch (error) { problem.textContent = error.message; problem.hidden = false; } finally { drop.classList.remove("busy"); }
}

function take(file) {
  if (!file) return;
  picture = file;
  shown.src = URL.createObjectURL(file);
  shown.hidden = false;
  search();
}

shown.addEventListener("error", () => { shown.hidden = true; });
input.addEventListener("change", () => take(input.files[0]));
for (const name of ["dragenter", "dragover"]) document.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
document.addEventListener("dragleave", () => drop.classList.remove("over"));
document.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
for (const select of [filters.camera, filters.hours]) select.addEventListener("change", search);
search();
