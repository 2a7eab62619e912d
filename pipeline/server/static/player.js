// Plays the recording of a moment: whatever has data-play (a camera) and data-at (seconds since 1970) can be clicked.
import { ask, note } from "./page.js";

const TRIES = 6;
const clock = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dialog = document.createElement("dialog");
dialog.className = "player";
dialog.setAttribute("aria-label", "Recording");
const title = document.createElement("h2");
const video = document.createElement("video");
video.controls = true;
video.playsInline = true;
video.muted = true;
const row = document.createElement("div");
row.className = "row wrap";
const button = (text, action) => {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  element.addEventListener("click", action);
  row.append(element);
  return element;
};
const file = document.createElement("a");
file.className = "button";
file.textContent = "Whole file";
file.target = "_blank";
const fill = document.createElement("span");
fill.className = "fill";
let now = null; // {camera, start, end} of the clip that is shown

button("10 s earlier", () => play(now.camera, now.start + video.currentTime - 10));
button("10 s later", () => play(now.camera, now.start + video.currentTime + 10));
row.append(file, fill);
button("Close", () => dialog.close());
dialog.append(title, video, row);
document.body.append(dialog);
dialog.addEventListener("close", () => { video.removeAttribute("src"); video.load(); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
video.addEventListener("timeupdate", () => { if (now) title.lastChild.textContent = clock.format(1000 * (now.start + video.currentTime)); });
video.addEventListener("ended", () => { if (dialog.open) play(now.camera, now.end + 0.2, true); });

async function look(camera, at, tries = TRIES) {
  try {
    return await ask("GET", `/api/v1/recordings/moment?camera=${encodeURIComponent(camera)}&at=${at}`);
  } catch (error) {
    if (error.problem?.status !== 503 || tries <= 1) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000)); // it is being written
    return look(camera, at, tries - 1);
  }
}

export async function play(camera, at, onwards = false) {
  let found;
  try { found = await look(camera, at); } catch (error) {
    if (!onwards) note(error.message, true);
    return;
  }
  now = { camera, start: found.start, end: found.end };
  title.replaceChildren(`${found.title} · `, clock.format(1000 * at));
  file.href = found.video;
  video.src = found.clip;
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = found.offset;
    video.play().catch(() => {});
  }, { once: true });
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("click", (event) => {
  const element = event.target.closest?.("[data-play]");
  if (!element || event.target.closest("input")) return;
  event.preventDefault();
  play(element.dataset.play, Number(element.dataset.at));
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  const element = event.target.closest?.("[data-play][role=button]");
  if (!element) return;
  event.preventDefault();
  play(element.dataset.play, Number(element.dataset.at));
});
