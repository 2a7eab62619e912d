// Everything works without this: times are plain links to the videos. It adds a player in the page and shows
// where else a person is when the pointer is on one of their bars.
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
