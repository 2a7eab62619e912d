// Zones and lines, drawn with the mouse, a finger or the keyboard on a camera's picture; kept in its full pixels.
import { ask, attempt, note } from "./page.js";

const editor = document.getElementById("editor");
const { camera } = editor.dataset;
const shapes = JSON.parse(editor.dataset.shapes);
const image = editor.querySelector("img");
const drawing = editor.querySelector("svg");
const list = document.getElementById("shapes");
const hint = document.getElementById("hint");
const space = "http://www.w3.org/2000/svg";
const origin = shapes.roi ?? [0, 0];
let corners = null; // of the shape that is being drawn
let kind = null;

function make(name, attributes, text) {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
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
    drawing.append(make("text", { x, y, "font-size": 3 * size, "text-anchor": "middle" }, name));
  }
  for (const [name, [from, to]] of Object.entries(shapes.lines)) {
    drawing.append(make("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "line" }));
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(dx, dy) || 1;
    const [mx, my] = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
    // forward is from the left side to the right side, seen along the line in the picture
    const [nx, ny] = [(-dy / length) * 4 * size, (dx / length) * 4 * size];
    drawing.append(make("line", { x1: mx, y1: my, x2: mx + nx, y2: my + ny, class: "forward" }));
    drawing.append(make("text", { x: mx + 1.3 * nx, y: my + 1.3 * ny, "font-size": 3 * size, "text-anchor": "middle" }, name));
  }
  if (corners) {
    drawing.append(make("polyline", { points: points(corners), class: "draft" }));
    for (const [x, y] of corners) drawing.append(make("circle", { cx: x, cy: y, r: 0.8 * size, class: "corner" }));
  }
}

function tell() {
  list.replaceChildren();
  for (const type of ["zones", "lines"]) {
    for (const name of Object.keys(shapes[type])) {
      const item = document.createElement("li");
      const label = document.createElement("b");
      label.textContent = name;
      const tag = document.createElement("span");
      tag.className = "tag";
      tag.textContent = type === "zones" ? "zone" : "line";
      const fill = document.createElement("span");
      fill.className = "fill";
      item.append(label, tag, fill);
      if (editor.querySelector("[data-draw]")) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "danger";
        button.textContent = "Delete";
        button.addEventListener("click", () => { const kept = { ...shapes[type] }; delete kept[name]; save(type, kept); });
        item.append(button);
      }
      list.append(item);
    }
  }
  if (!list.children.length) {
    const item = document.createElement("li");
    item.className = "none";
    item.textContent = "None yet.";
    list.append(item);
  }
}

async function save(type, kept) {
  const changed = await attempt(() => ask("PATCH", `/api/v1/cameras/${camera}`, { [type]: kept, revision: shapes.revision }));
  if (changed) { shapes.zones = changed.zones; shapes.lines = changed.lines; shapes.revision = changed.revision; note("saved"); }
  paint();
  tell();
}

function begin(type) {
  kind = type;
  corners = [];
  editor.classList.add("drawing");
  hint.textContent = type === "zones" ? "Click the corners of the zone; Enter or a double click ends it, Escape leaves." : "Click the two ends of the line; the short arrow shows what counts as forward.";
  paint();
}

function stop() {
  kind = corners = null;
  editor.classList.remove("drawing");
  hint.textContent = "Zones and lines are drawn on the picture.";
  paint();
}

async function finish() {
  if (!corners || corners.length < (kind === "zones" ? 3 : 2)) return;
  const [type, drawn] = [kind, corners];
  const proposal = `${type === "zones" ? "zone" : "line"} ${Object.keys(shapes[type]).length + 1}`;
  stop();
  const name = prompt("Its name", proposal)?.trim();
  if (name) await save(type, { ...shapes[type], [name]: drawn });
}

drawing.addEventListener("click", (event) => {
  if (!corners || event.detail > 1) return;
  const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
  corners.push([Math.round(place.x), Math.round(place.y)]);
  paint();
  if (kind === "lines" && corners.length === 2) finish();
});
drawing.addEventListener("dblclick", finish);
document.addEventListener("keydown", (event) => {
  if (!corners) return;
  if (event.key === "Enter") { event.preventDefault(); finish(); }
  if (event.key === "Escape") stop();
  if (event.key === "Backspace") { corners.pop(); paint(); }
});
for (const button of editor.querySelectorAll("[data-draw]")) button.addEventListener("click", () => { button.blur(); begin(button.dataset.draw); });
editor.querySelector("[data-picture]")?.addEventListener("click", () => { image.src = `/api/v1/cameras/${camera}/snapshot.jpg?${Date.now()}`; });
image.addEventListener("load", paint);
image.addEventListener("error", () => { hint.textContent = "This camera gives no picture now."; });
paint();
tell();
