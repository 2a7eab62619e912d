// Everything works without this: times are plain links to the videos. It adds a player in the page, a filter by
// person and camera, buttons and faded edges where a row of pictures goes on, and it shows where else a person is
// when the pointer is on one of their bars.
(() => {
  const dialog = document.querySelector("dialog");
  const video = dialog && dialog.querySelector("video");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-at]");
    if (!link || !video || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const file = link.getAttribute("href").split("#")[0];
    const start = Number(link.dataset.at);
    dialog.querySelector("span").textContent = link.dataset.title || link.title;
    const seek = () => { video.currentTime = start; video.play().catch(() => {}); };
    if (video.getAttribute("src") !== file) {
      video.addEventListener("loadedmetadata", seek, { once: true });
      video.setAttribute("src", file);
    } else {
      seek();
    }
    if (!dialog.open) dialog.showModal();
  });
  if (dialog) dialog.addEventListener("close", () => video.pause());

  const arrow = (row, way) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = way > 0 ? "on" : "back";
    button.textContent = way > 0 ? "\u203a" : "\u2039";
    button.setAttribute("aria-label", way > 0 ? "More pictures" : "Back");
    button.addEventListener("click", () => row.scrollBy({ left: way * 0.8 * row.clientWidth, behavior: "smooth" }));
    return button;
  };
  for (const row of document.querySelectorAll(".strip, .scroll")) {
    const shelf = document.createElement("div");
    let buttons = [];
    if (row.classList.contains("strip")) {
      shelf.className = "shelf";
      row.replaceWith(shelf);
      buttons = [arrow(row, -1), arrow(row, 1)];
      shelf.append(row, ...buttons);
    }
    const look = () => {
      const before = row.scrollLeft > 4;
      const after = row.scrollLeft + row.clientWidth < row.scrollWidth - 4;
      row.classList.toggle("more-left", before);
      row.classList.toggle("more-right", after);
      if (buttons.length) [buttons[0].hidden, buttons[1].hidden] = [!before, !after];
    };
    row.addEventListener("scroll", look, { passive: true });
    new ResizeObserver(look).observe(row);
    look();
  }

  const filter = document.querySelector(".filter");
  if (filter) {
    filter.hidden = false;
    const field = filter.querySelector("input");
    const buttons = [...filter.querySelectorAll("button")];
    const apply = () => {
      const people = new Set(field.value.match(/\d+/g) || []);
      const cameras = new Set(buttons.filter((one) => one.ariaPressed === "true").map((one) => one.dataset.cam));
      const any = (wanted, have) => !wanted.size || have.split(" ").some((one) => wanted.has(one));
      for (const part of document.querySelectorAll("[data-ids]")) {
        part.hidden = !(any(people, part.dataset.ids) && any(cameras, part.dataset.cams));
      }
      const cards = [...document.querySelectorAll(".person")];
      const left = cards.filter((card) => !card.hidden).length;
      filter.querySelector("output").textContent =
        people.size || cameras.size ? `${left} of ${cards.length} people` : "";
    };
    field.addEventListener("input", apply);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        button.ariaPressed = button.ariaPressed === "true" ? "false" : "true";
        apply();
      });
    }
  }

  const timeline = document.querySelector(".timeline");
  if (!timeline) return;
  const light = (identity) => {
    timeline.classList.toggle("dim", identity !== null);
    for (const bar of timeline.querySelectorAll(".bar")) bar.classList.toggle("lit", bar.dataset.id === identity);
  };
  timeline.addEventListener("pointerover", (event) => {
    const bar = event.target.closest(".bar");
    light(bar ? bar.dataset.id : null);
  });
  timeline.addEventListener("pointerleave", () => light(null));
})();
