// A camera's name on the page, and how it is read: address, transport, rate.
import { ask, attempt } from "./page.js";
import { shapes } from "./shapes.js";
import { testPicture } from "./test_picture.js";

const { camera } = document.getElementById("editor").dataset;
const change = (settings) => ask("PATCH", `/api/v1/cameras/${camera}`, { ...settings, revision: shapes.revision });

document.querySelector("form[data-title]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await change({ title: event.target.elements.title.value });
    location.reload();
  });
});

const form = document.querySelector("form[data-connection]");
if (form) {
  const { url, transport, max_fps: rate, moving } = form.elements;
  const problem = form.querySelector(".problem");
  const show = (error) => { problem.textContent = error?.message ?? ""; problem.hidden = !error; };
  const before = { transport: transport.value, rate: rate.value, moving: moving.checked };
  const given = () => Boolean(url.value.trim());
  url.addEventListener("input", () => { form.querySelector("[data-test]").disabled = !given(); });
  testPicture(form, () => ({ url: url.value.trim(), transport: transport.value || null }), show, given);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(null);
    const settings = {};
    if (url.value.trim()) settings.url = url.value.trim();
    if (transport.value !== before.transport) settings.transport = transport.value || null;
    if (rate.value !== before.rate) settings.max_fps = rate.value ? Number(rate.value) : null;
    if (moving.checked !== before.moving) settings.moving = moving.checked;
    if (!Object.keys(settings).length) { show(new Error("nothing is changed here")); return; }
    try { await change(settings); location.reload(); } catch (error) { show(error); }
  });
}
