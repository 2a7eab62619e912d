import { refresh } from "./page.js";

const list = document.getElementById("events");
if (!new URLSearchParams(location.search).has("before")) {
  let due = 0;
  const source = new EventSource("/api/v1/events/stream");
  source.onmessage = () => {
    if (due) return;
    due = setTimeout(() => { due = 0; refresh(list); }, 400);
  };
}
