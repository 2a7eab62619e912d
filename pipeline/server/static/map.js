// The floor from above: people, their paths of the last half minute, and where people stood longest.
import { ask } from "./page.js";

const canvas = document.getElementById("floor");
const context = canvas.getContext("2d");
const list = document.getElementById("on-floor");
const wanted = document.getElementById("show-heat");
const STEPS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const NEAR = 9; // corners of a view that are the lower edge of its picture
let box = null; // [x0, y0, x1, y1] of the floor on which people were, and where the views begin, metres; it only grows
let people = [];
let views = {};
let titles = {};
let heat = { cell: 1, cells: [] };

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function grow(points) {
  for (const [x, y] of points) {
    box ??= [x - 1, y - 1, x + 1, y + 1];
    box = [Math.min(box[0], x - 1), Math.min(box[1], y - 1), Math.max(box[2], x + 1), Math.max(box[3], y + 1)];
  }
}

function paint() {
  const ratio = devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!box) return;
  const { scale, at, shown } = place(width, height);
  drawGrid(at, scale, shown);
  if (wanted.checked) drawHeat(at, scale);
  for (const [name, corners] of Object.entries(views)) drawView(at, name, corners);
  for (const person of people) drawPerson(at, person);
}

// How the box lies in the canvas: pixels per metre, where a point is, and the floor that the whole canvas shows.
function place(width, height) {
  const scale = Math.min(width / (box[2] - box[0]), height / (box[3] - box[1]));
  const left = (width - scale * (box[2] - box[0])) / 2;
  const top = (height - scale * (box[3] - box[1])) / 2;
  const at = ([x, y]) => [left + (x - box[0]) * scale, top + (box[3] - y) * scale];
  return { scale, at, shown: [box[0] - left / scale, box[1] - top / scale, box[2] + left / scale, box[3] + top / scale] };
}

function drawGrid(at, scale, shown) {
  const step = STEPS.find((metres) => metres * scale >= 40) ?? STEPS[STEPS.length - 1];
  context.strokeStyle = style("--edge");
  context.fillStyle = style("--quiet");
  context.lineWidth = 1;
  context.font = "11px system-ui, sans-serif";
  for (let x = Math.ceil(shown[0] / step) * step; x <= shown[2]; x += step) {
    line(at([x, shown[1]]), at([x, shown[3]]));
    context.fillText(`${+x.toFixed(1)} m`, at([x, 0])[0] + 3, at([x, shown[1]])[1] - 4);
  }
  for (let y = Math.ceil(shown[1] / step) * step; y <= shown[3]; y += step) {
    line(at([shown[0], y]), at([shown[2], y]));
    if (at([0, y])[1] < canvas.clientHeight - 24) context.fillText(`${+y.toFixed(1)} m`, at([shown[0], y])[0] + 3, at([0, y])[1] - 3);
  }
}

function line([ax, ay], [bx, by]) {
  context.beginPath();
  context.moveTo(ax, ay);
  context.lineTo(bx, by);
  context.stroke();
}

function drawHeat(at, scale) {
  const most = Math.max(...heat.cells.map((cell) => cell[2]), 1e-9);
  for (const [x, y, seconds] of heat.cells) {
    const share = Math.sqrt(seconds / most);
    const [px, py] = at([x, y + heat.cell]);
    context.fillStyle = `hsla(${50 - 50 * share}, 95%, 52%, ${0.12 + 0.63 * share})`;
    context.fillRect(px, py, heat.cell * scale + 0.5, heat.cell * scale + 0.5);
  }
}

function drawView(at, name, corners) {
  if (corners.length < 3) return;
  context.beginPath();
  corners.forEach((corner, place) => { const [x, y] = at(corner); if (place) context.lineTo(x, y); else context.moveTo(x, y); });
  context.closePath();
  context.strokeStyle = style("--accent");
  context.globalAlpha = 0.55;
  context.setLineDash([6, 5]);
  context.lineWidth = 1.5;
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
  const [x, y] = at(corners[4] ?? corners[0]);
  context.fillStyle = style("--accent");
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(titles[name] ?? name, x, y - 6);
  context.textAlign = "start";
}

function drawPerson(at, { identity, color, path, here }) {
  if (!path.length) return;
  context.globalAlpha = here ? 1 : 0.35;
  context.strokeStyle = color;
  context.lineWidth = 3;
  context.lineJoin = context.lineCap = "round";
  context.beginPath();
  path.forEach((point, place) => { const [x, y] = at(point); if (place) context.lineTo(x, y); else context.moveTo(x, y); });
  context.stroke();
  const [x, y] = at(path[path.length - 1]);
  context.beginPath();
  context.arc(x, y, here ? 9 : 5, 0, 7);
  context.fillStyle = color;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = style("--panel");
  context.stroke();
  if (here) {
    context.font = "700 12px system-ui, sans-serif";
    context.lineWidth = 4;
    context.strokeText(identity, x + 12, y + 4);
    context.fillStyle = style("--ink");
    context.fillText(identity, x + 12, y + 4);
  }
  context.globalAlpha = 1;
}

function tell() {
  const here = people.filter((person) => person.here);
  list.replaceChildren(...here.map(({ identity, color, ink, path }) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/people/${identity}`;
    const chip = document.createElement("span");
    chip.className = `chip ${ink}`;
    chip.style.setProperty("--own", color);
    chip.textContent = identity;
    link.append(chip);
    const [x, y] = path[path.length - 1];
    item.append(link, ` ${x.toFixed(1)}, ${y.toFixed(1)} m`);
    return item;
  }));
  if (!here.length) list.textContent = "Nobody is on the floor.";
  canvas.dataset.people = here.length;
}

async function look() {
  if (!document.hidden) {
    try {
      const found = await ask("GET", "/api/v1/floor");
      ({ people, views, titles } = found);
      for (const person of people) grow(person.path);
      for (const corners of Object.values(views)) grow(corners.slice(0, NEAR));
      paint();
      tell();
    } catch { /* the server is away; the next try comes */ }
  }
  setTimeout(look, 500);
}

async function warm() {
  if (wanted.checked && !document.hidden) {
    try { heat = await ask("GET", "/api/v1/floor/heat"); } catch { /* as above */ }
    grow(heat.cells);
    paint();
  }
  setTimeout(warm, 5000);
}

wanted.addEventListener("change", async () => { heat = await ask("GET", "/api/v1/floor/heat"); paint(); });
canvas.addEventListener("click", (event) => {
  const bounds = canvas.getBoundingClientRect();
  if (!box) return;
  const { at } = place(bounds.width, bounds.height);
  const near = people.filter((person) => person.path.length).map((person) => {
    const [px, py] = at(person.path[person.path.length - 1]);
    return [Math.hypot(px - event.clientX + bounds.left, py - event.clientY + bounds.top), person.identity];
  }).sort((one, other) => one[0] - other[0])[0];
  if (near && near[0] < 16) location.href = `/people/${near[1]}`;
});
addEventListener("resize", paint);
look();
warm();
