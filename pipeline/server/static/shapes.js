// Zones, lines, the region of interest and floor points, drawn on a camera's picture; kept in its full pixels.
import { ask, attempt, note } from "./page.js";

const editor = document.getElementById("editor");
const { camera } = editor.dataset;
const shapes = JSON.parse(editor.dataset.shapes);
const image = editor.querySelector("img");
const drawing = editor.querySelector("svg");
const list = document.getElementById("shapes");
const hint = document.getElementById("hint");
const space = "http://www.w3.org/2000/svg";
const hints = {
  zones: "Click the corners of the zone; Enter or a double click ends it, Escape leaves.",
  lines: "Click the two ends of the line; the short arrow shows what counts as forward.",
  region: "Click two opposite corners of the part of the picture that matters; the rest is left out.",
  floor: "Click a spot on the floor, then give its place in metres. Four spots or more, not in a line, calibrate the camera.",
};
const usual = hint.textContent;
const none = "This camera gives no picture now.";
let spots = shapes.floor ?? []; // [x, y, X, Y]: pixels and metres; saved from four on
let origin = shapes.roi ?? [0, 0];
let corners = null; // of the shape that is being drawn
let kind = null;

function make(name, attributes, text) {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
}

// A name within the picture, whatever its length.
function label(name, x, y, size, width) {
  const element = make("text", { x, y, "font-size": 3 * size, "text-anchor": "middle" }, name);
  drawing.append(element);
  const long = element.getComputedTextLength();
  const most = 0.94 * width;
  if (long > most) element.setAttribute("font-size", (3 * size * most) / long);
  const half = Math.min(long, most) / 2 + 0.02 * width;
  element.setAttribute("x", Math.min(Math.max(x, origin[0] + half), origin[0] + width - half));
}

function paint() {
  const width = image.naturalWidth || 640;
  const height = image.naturalHeight || 360;
  drawing.setAttribute("viewBox", `${origin[0]} ${origin[1]} ${width} ${height}`);
  const size = Math.max(width, height) / 100;
  drawing.replaceChildren();
  const points = (list) => list.map((point) => point.join(",")).join(" ");
  for (const [name, shape] of Object.entries(shapes.zones)) {
    drawing.append(make("polygon", { points: points(shape), class: "zone" }));
    const x = shape.reduce((sum, point) => sum + point[0], 0) / shape.length;
    const y = shape.reduce((sum, point) => sum + point[1], 0) / shape.length;
    label(name, x, y, size, width);
  }
  for (const [name, [from, to]] of Object.entries(shapes.lines)) {
    drawing.append(make("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "line" }));
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy) || 1;
    const [mx, my] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    // forward is from the left side to the right side, seen along the line in the picture
    const [nx, ny] = [(-dy / length) * 4 * size, (dx / length) * 4 * size];
    drawing.append(make("line", { x1: mx, y1: my, x2: mx + nx, y2: my + ny, class: "forward" }));
    label(name, mx + 1.3 * nx, my + 1.3 * ny, size, width);
  }
  for (const [x, y, X, Y] of spots) {
    drawing.append(make("circle", { cx: x, cy: y, r: 0.9 * size, class: "spot" }));
    drawing.append(make("text", { x: x + 1.5 * size, y: y + size, "font-size": 2.6 * size }, `${X}, ${Y} m`));
  }
  if (corners) {
    drawing.append(make("polyline", { points: points(corners), class: "draft" }));
    for (const [x, y] of corners) drawing.append(make("circle", { cx: x, cy: y, r: 0.8 * size, class: "corner" }));
  }
}

function item(name, kind, remove) {
  const element = document.createElement("li");
  const label = document.createElement("b");
  label.textContent = name;
  const tag = document.createElement("span");
  tag.className = "tag";
  tag.textContent = kind;
  const fill = document.createElement("span");
  fill.className = "fill";
  element.append(label, tag, fill);
  if (editor.querySelector("[data-draw]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "danger";
    button.textContent = "Delete";
    button.setAttribute("aria-label", `Delete ${kind} ${name}`);
    button.addEventListener("click", remove);
    element.append(button);
  }
  list.append(element);
}

function tell() {
  list.replaceChildren();
  for (const type of ["zones", "lines"]) {
    for (const name of Object.keys(shapes[type])) {
      item(name, type === "zones" ? "zone" : "line", () => { const kept = { ...shapes[type] }; delete kept[name]; save({ [type]: kept }); });
    }
  }
  if (shapes.roi) item(`${shapes.roi[2]} × ${shapes.roi[3]} at ${shapes.roi[0]}, ${shapes.roi[1]}`, "region", () => save({ roi: null }));
  spots.forEach((spot, place) => item(`${spot[2]}, ${spot[3]} m`, "floor point", () => keepSpots(spots.filter((_, other) => other !== place))));
  if (shapes.ground && !shapes.floor) item("from the site's file", "floor", () => save({ ground: null }));
  if (spots.length && spots.length < 4) hint.textContent = `${spots.length} of 4 floor points; nothing is saved yet.`;
  if (!list.children.length) {
    const element = document.createElement("li");
    element.className = "none";
    element.textContent = "None yet.";
    list.append(element);
  }
}

// Four points or more are a calibration; with fewer there is none.
function keepSpots(kept) {
  spots = kept;
  if (kept.length >= 4) save({ ground: { points: kept } });
  else if (shapes.floor) save({ ground: null }, kept);
  else { paint(); tell(); }
}

async function save(change, kept = null) {
  let changed;
  let saved = true;
  try {
    changed = await ask("PATCH", `/api/v1/cameras/${camera}`, { ...change, revision: shapes.revision });
  } catch (error) {
    note(error.message, true);
    saved = false;
    // somebody else was first: from here on, what they have made of it
    if (error.problem?.field === "revision") changed = await attempt(() => ask("GET", `/api/v1/cameras/${camera}`));
  }
  if (changed) {
    const { zones, lines, revision, roi, ground, ground_points: floor } = changed;
    Object.assign(shapes, { zones, lines, revision, roi, ground, floor });
    if (!saved || "roi" in change) { origin = roi ?? [0, 0]; refreshPicture(); }
    if (saved) note("saved");
  }
  spots = kept ?? shapes.floor ?? (changed ? [] : spots);
  paint();
  tell();
}

function begin(type) {
  kind = type;
  corners = [];
  editor.classList.add("drawing");
  hint.textContent = hints[type];
  paint();
}

function stop() {
  kind = corners = null;
  editor.classList.remove("drawing");
  hint.textContent = usual;
  paint();
}

async function finish() {
  if (!corners || corners.length < { zones: 3, lines: 2, region: 2, floor: 1 }[kind]) return;
  const [type, drawn] = [kind, corners];
  stop();
  if (type === "region") { await saveRegion(drawn); return; }
  if (type === "floor") { addSpot(drawn[0]); return; }
  const proposal = `${type === "zones" ? "zone" : "line"} ${Object.keys(shapes[type]).length + 1}`;
  const name = prompt("Its name", proposal)?.trim();
  if (name) await save({ [type]: { ...shapes[type], [name]: drawn } });
}

async function saveRegion([[ax, ay], [bx, by]]) {
  const roi = [Math.min(ax, bx), Math.min(ay, by), Math.abs(ax - bx), Math.abs(ay - by)];
  await save({ roi });
}

function addSpot([x, y]) {
  const said = prompt("Where is it on the floor? x, y in metres", "0, 0");
  if (said === null) return;
  const metres = said.split(/[,;\s]+/).filter(Boolean).map(Number);
  if (metres.length !== 2 || !metres.every(Number.isFinite)) { note("two numbers are needed, such as 2.5, 4", true); return; }
  keepSpots([...spots, [x, y, ...metres]]);
}

drawing.addEventListener("click", (event) => {
  if (!corners || event.detail > 1) return;
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  corners.push([Math.round(place.x), Math.round(place.y)]);
  paint();
  if (corners.length === { lines: 2, region: 2, floor: 1 }[kind]) finish();
});
drawing.addEventListener("dblclick", finish);
document.addEventListener("keydown", (event) => {
  if (!corners) return;
  if (event.key === "Enter") { event.preventDefault(); finish(); }
  if (event.key === "Escape") stop();
  if (event.key === "Backspace") { corners.pop(); paint(); }
});
for (const button of editor.querySelectorAll("[data-draw]")) button.addEventListener("click", () => { button.blur(); begin(button.dataset.draw); });
function refreshPicture() { image.src = `/api/v1/cameras/${camera}/snapshot.jpg?drawn=false&at=${Date.now()}`; }
editor.querySelector("[data-picture]")?.addEventListener("click", refreshPicture);
image.addEventListener("load", () => { image.hidden = false; if (hint.textContent === none) hint.textContent = usual; paint(); });
function missing() { image.hidden = true; hint.textContent = none; }
image.addEventListener("error", missing);
if (image.complete && !image.naturalWidth) missing(); // it failed before this script ran
paint();
tell();
export { shapes };
