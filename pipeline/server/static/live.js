// Moving pictures: one socket per camera; H.264 through Media Source Extensions where the browser has it, else JPEG.
const BEHIND = 1.0; // seconds behind the newest picture after which a player jumps there
const AT_HAND = 0.08; // seconds of video that wait to be shown, against stops when a picture comes a little late
const Source = window.ManagedMediaSource ?? window.MediaSource;
const usual = 'video/mp4; codecs="avc1.4D401E"';
const forced = new URLSearchParams(location.search).get("codec"); // ?codec=jpeg
let videoWorks = forced !== "jpeg" && Boolean(Source?.isTypeSupported(usual));

class Tile {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.camera;
    this.canvas = element.querySelector("canvas");
    this.video = element.querySelector("video");
    this.wait = element.querySelector(".wait");
    this.codec = videoWorks ? "h264" : "jpeg";
    this.pause = 500;
    this.usual = 0.14; // seconds between two pictures
    this.drawing = false;
    element.querySelector(".picture").addEventListener("click", () => this.enlarge());
    this.shape(this.canvas.width, this.canvas.height);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/cameras/${this.name}/live?codec=${this.codec}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (message) => {
      if (typeof message.data === "string") this.told(JSON.parse(message.data));
      else if (this.codec === "h264") this.piece(message.data);
      else this.picture(message.data);
    };
    socket.onopen = () => { this.pause = 500; };
    socket.onclose = (event) => {
      if (event.code === 4404) { this.say("this camera was removed"); return; }
      if (event.code === 4401) { location.href = "/login"; return; }
      if (document.hidden) { this.away = true; return; }
      this.say("connecting again");
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(2 * this.pause, 8000);
    };
  }

  begin(codec) {
    this.canvas.hidden = true;
    this.video.hidden = false;
    const type = `video/mp4; codecs="${codec}"`;
    if (!Source.isTypeSupported(type)) { this.fallBack(); return; }
    if (this.address) URL.revokeObjectURL(this.address);
    const source = new Source();
    this.pieces = [];
    this.buffer = null;
    this.video.disableRemotePlayback = true;
    this.address = URL.createObjectURL(source);
    this.video.src = this.address;
    this.video.onerror = () => this.fallBack();
    this.video.onloadeddata = () => { this.wait.hidden = true; this.shape(this.video.videoWidth, this.video.videoHeight); };
    source.addEventListener("sourceopen", () => {
      try { this.buffer = source.addSourceBuffer(type); } catch { this.fallBack(); return; }
      this.buffer.addEventListener("updateend", () => this.feed());
      this.feed();
    }, { once: true });
    this.video.play().catch(() => {});
  }

  // The browser cannot play what the server sends: pictures do, everywhere.
  fallBack() {
    if (this.codec === "jpeg") return;
    videoWorks = false;
    this.codec = "jpeg";
    this.video.hidden = true;
    this.canvas.hidden = false;
    this.socket.close();
  }

  piece(data) {
    if (!this.pieces) return;
    this.pieces.push(new Uint8Array(data, 8));
    const epoch = new DataView(data).getFloat64(0);
    const passed = epoch - Number(this.video.dataset.epoch ?? epoch);
    if (passed > 0 && passed < 2) this.usual += 0.1 * (passed - this.usual);
    this.video.dataset.epoch = epoch;
    this.feed();
  }

  // How fast to play with so many seconds at hand: a little faster while more is there than the newest picture needs.
  pace(ahead) {
    const more = ahead - (1.5 * this.usual + AT_HAND); // a picture lasts 1.5 intervals until the next one is there
    return more > 0.4 ? 1.5 : more > 0.12 ? 1.2 : more > 0.04 ? 1.06 : 1;
  }

  feed() {
    const { buffer, video } = this;
    if (!buffer || buffer.updating) return;
    try {
      const { buffered } = buffer;
      if (buffered.length) {
        const end = buffered.end(buffered.length - 1);
        if (end - video.currentTime > BEHIND || video.currentTime < buffered.start(buffered.length - 1)) video.currentTime = Math.max(end - 0.3, 0);
        video.playbackRate = this.pace(end - video.currentTime);
        if (video.paused) video.play().catch(() => {});
        if (buffered.start(0) < end - 30) { buffer.remove(0, end - 10); return; }
      }
      const next = this.pieces.shift();
      if (next) buffer.appendBuffer(next);
    } catch { this.fallBack(); }
  }

  told(message) {
    if (message.type === "init") this.begin(message.codec);
    if (message.type !== "state") return;
    const figure = (name, text) => { this.element.querySelector(`[data-figure=${name}]`).textContent = text; };
    const state = this.element.querySelector(".state");
    const words = { running: "live", waiting: "reconnecting", opening: "connecting", paused: "paused", ended: "ended", failed: "failed" };
    state.className = `state ${message.state}`;
    state.textContent = words[message.state] ?? message.state;
    const running = message.state === "running";
    figure("people", running ? `${message.people} ${message.people === 1 ? "person" : "people"}` : "");
    figure("rate", running ? `${message.rate.toFixed(1)} /s` : "");
    figure("age", running && message.age_ms !== null ? `${message.age_ms} ms` : "");
    const why = this.element.querySelector(".why");
    why.hidden = running || !message.error;
    why.textContent = message.error ?? "";
    if (!running) this.say(words[message.state]);
  }

  // The tile takes the picture's shape.
  shape(width, height) {
    if (width && height) this.element.querySelector(".picture").style.aspectRatio = `${width} / ${height}`;
  }

  say(text) { this.wait.textContent = text; this.wait.hidden = false; }

  async picture(data) {
    if (this.drawing) return; // the browser is busy: the next one is newer
    this.drawing = true;
    try {
      const image = await createImageBitmap(new Blob([new Uint8Array(data, 8)], { type: "image/jpeg" }));
      const { canvas } = this;
      if (canvas.width !== image.width || canvas.height !== image.height) { canvas.width = image.width; canvas.height = image.height; this.shape(image.width, image.height); }
      canvas.getContext("2d").drawImage(image, 0, 0);
      image.close();
      canvas.dataset.epoch = new DataView(data).getFloat64(0);
      canvas.dataset.shown = Number(canvas.dataset.shown ?? 0) + 1;
      this.wait.hidden = true;
    } finally { this.drawing = false; }
  }

  enlarge() {
    const large = this.element.classList.toggle("large");
    this.element.querySelector(".picture").setAttribute("aria-expanded", String(large));
    for (const other of tiles) if (other !== this) { other.element.classList.remove("large"); }
  }

  back() { if (this.away) { this.away = false; this.connect(); } }
}

const tiles = [...document.querySelectorAll(".tile")].map((element) => new Tile(element));
document.addEventListener("visibilitychange", () => {
  for (const tile of tiles) if (document.hidden) tile.socket.close(); else tile.back();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const tile of tiles) if (tile.element.classList.contains("large")) tile.enlarge();
});
export { BEHIND };
