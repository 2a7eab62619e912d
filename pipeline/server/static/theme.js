// Runs before the first paint: the chosen theme, if there is one.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
