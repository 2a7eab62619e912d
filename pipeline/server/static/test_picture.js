// "Test picture": what a camera shows, before it is saved.
import { ask } from "./page.js";

export function testPicture(form, settings, show, ready = () => true) {
  const button = form.querySelector("[data-test]");
  const picture = form.querySelector(".test");
  button.addEventListener("click", async () => {
    button.disabled = true;
    show(null);
    try {
      picture.src = URL.createObjectURL(await ask("POST", "/api/v1/cameras/test", settings()));
      picture.hidden = false;
    } catch (error) { picture.hidden = true; show(error); } finally { button.disabled = !ready(); }
  });
}
