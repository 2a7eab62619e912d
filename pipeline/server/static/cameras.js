import { ask, attempt, note, refresh } from "./page.js";
import { testPicture } from "./test_picture.js";

const form = document.getElementById("add");
const list = document.getElementById("cameras");
if (form) {
  const problem = form.querySelector(".problem");
  const picture = form.querySelector(".test");
  const settings = () => ({ url: form.url.value.trim() });
  const show = (error) => { problem.textContent = error?.message ?? ""; problem.hidden = !error; };
  testPicture(form, settings, show);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    show(null);
    try {
      const added = await ask("POST", "/api/v1/cameras", { ...settings(), name: form.elements.name.value.trim() });
      form.reset();
      picture.hidden = true;
      note(`camera ${added.name} is added`);
      refresh(list);
    } catch (error) { show(error); }
  });
}
list.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const name = button.closest("[data-camera]").dataset.camera;
  const action = button.dataset.do;
  if (action === "remove" && !confirm(`Remove camera ${name}?`)) return;
  button.blur();
  attempt(async () => {
    await (action === "remove" ? ask("DELETE", `/api/v1/cameras/${name}`) : ask("POST", `/api/v1/cameras/${name}/${action}`));
    await refresh(list);
  });
});
