// The live page: draws each picture together with the scene of the same frame, and shows how the line fares.
"use strict";

const TRAIL_MS = 3000;
const $ = (id) => document.getElementById(id);
const canvas = $("canvas");
const ink = canvas.getContext("2d");

let hello = null;      // names and looks, once a connection
let news = null;       // statistics, once a second
let shown = null;      // {scene, picture, size, received}
let socket = null;
let pause = 500;       // milliseconds until the next attempt to connect
let drawn = [];        // when the last pictures were drawn, for the page's own rate
let shownAge = null;   // capture to drawn, as the daemon measured it
let lastPicture = 0;
let lastHeard = 0;     // statistics come each second, so silence is a fault
let newest = -1;
const trails = new Map(); // id -> [{x, y, t}]

// ---- connection ----

function connect() {
  socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/ws");
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { pause = 500; newest = -1; lastPicture = lastHeard = performance.now(); };
  socket.onmessage = (message) => {
    lastHeard = performance.now();
    if (typeof message.data === "string") told(JSON.parse(message.data));
    else pictured(message.data);
  };
  socket.onclose = () => {
    socket = null;
    news = null;
    setTimeout(connect, pause);
    pause = Math.min(pause * 2, 5000);
    tellState();
  };
}

function told(message) {
  if (message.kind === "hello") {
    hello = message;
    $("arena").textContent = message.arena;
    tellModel();
    document.title = message.arena + " – arenad";
    trails.clear();
  } else if (message.kind === "news") {
    news = message;
    tellModel();
    tellNews();
  } else if (message.kind === "shown") {
    shownAge = message.age_ms;
  }
  tellState();
}

async function pictured(data) {
  const received = performance.now();
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const from = socket;
  let picture = null;
  if (data.byteLength > 4 + length) {
    try {
      picture = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
    } catch { /* an unreadable picture: the scene is still drawn */ }
  }
  for (const event of header.events) tellEvent(event);
  requestAnimationFrame(() => {
    // The daemon sends the next picture when this one is dealt with; a hidden page gets none.
    if (from && from.readyState === WebSocket.OPEN) from.send("drawn");
    if (header.scene.frame <= newest) return picture?.close();
    newest = header.scene.frame;
    lastPicture = performance.now();
    shown?.picture?.close();
    const size = header.size ?? shown?.size ?? [640, 480];
    shown = { scene: header.scene, picture, size, received };
    remember(header.scene);
    draw();
    tellScene();
    tellState();
  });
}

// ---- drawing ----

function colourOf(id) {
  const index = hello ? hello.identities.indexOf(id) : -1;
  return (index >= 0 && hello.colours[index]) || "#b8bec4";
}

function remember(scene) {
  const t = Date.parse(scene.captured);
  for (const animal of scene.animals) {
    if (animal.id === "?") continue;
    const trail = trails.get(animal.id) ?? [];
    const visible = animal.state === "seen" || animal.state === "predicted";
    trail.push(visible && animal.centre ? { x: animal.centre[0], y: animal.centre[1], t } : { gap: true, t });
    while (trail.length && Math.abs(t - trail[0].t) > TRAIL_MS) trail.shift();
    trails.set(animal.id, trail);
  }
}

function draw() {
  if (!shown) return;
  const [width, height] = shown.size;
  canvas.style.setProperty("--ratio", width / height);
  const box = canvas.getBoundingClientRect();
  const dots = window.devicePixelRatio || 1;
  const wide = Math.max(1, Math.round(box.width * dots));
  const high = Math.max(1, Math.round(wide * height / width));
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  const scale = wide / width;
  // Lines and words grow with the picture, but not to posters.
  const unit = Math.max(dots * 0.8, Math.min(wide / 640, dots * 1.25));
  // A pixel's centre is its coordinate, hence the half.
  const at = ([x, y]) => [(x + 0.5) * scale, (y + 0.5) * scale];
  ink.fillStyle = "#0b0c0d";
  ink.fillRect(0, 0, wide, high);
  if (shown.picture && $("show-picture").checked) ink.drawImage(shown.picture, 0, 0, wide, high);
  ink.lineJoin = ink.lineCap = "round";
  const taken = [];
  if ($("show-zones").checked) drawZones(at, unit);
  if ($("show-trails").checked) drawTrails(at, unit);
  for (const animal of shown.scene.animals) if (animal.state === "hidden" && animal.vanished) drawHidden(animal, at, unit, taken);
  if ($("show-skeleton").checked) for (const animal of shown.scene.animals) drawAnimal(animal, at, unit);
  if ($("show-names").checked) for (const animal of shown.scene.animals) drawName(animal, at, unit, taken);
}

function drawZones(at, unit) {
  for (const zone of hello?.zones ?? []) {
    ink.beginPath();
    zone.corners.forEach((corner, n) => (n ? ink.lineTo(...at(corner)) : ink.moveTo(...at(corner))));
    ink.closePath();
    ink.setLineDash(zone.sheltered ? [6 * unit, 4 * unit] : []);
    ink.strokeStyle = "rgb(255 255 255 / .34)";
    ink.lineWidth = unit;
    ink.stroke();
    ink.setLineDash([]);
    const top = zone.corners.reduce((a, b) => (b[0] + b[1] < a[0] + a[1] ? b : a));
    const [x, y] = at(top);
    ink.font = `${10 * unit}px system-ui, sans-serif`;
    ink.fillStyle = "rgb(255 255 255 / .62)";
    ink.textBaseline = "top";
    ink.textAlign = "left";
    ink.fillText(zone.name, x + 4 * unit, y + 4 * unit);
  }
}

function drawTrails(at, unit) {
  ink.lineWidth = 2 * unit;
  ink.lineCap = "butt"; // round ends would show as dots where see-through pieces meet
  for (const [id, trail] of trails) {
    ink.strokeStyle = colourOf(id);
    const now = trail.length ? trail[trail.length - 1].t : 0;
    for (let n = 1; n < trail.length; n++) {
      const [a, b] = [trail[n - 1], trail[n]];
      if (a.gap || b.gap) continue;
      ink.globalAlpha = 0.75 * (1 - (now - b.t) / TRAIL_MS);
      ink.beginPath();
      ink.moveTo(...at([a.x, a.y]));
      ink.lineTo(...at([b.x, b.y]));
      ink.stroke();
    }
  }
  ink.globalAlpha = 1;
  ink.lineCap = "round";
}

function drawHidden(animal, at, unit, taken) {
  let [x, y] = at(animal.vanished.at);
  const radius = 13 * unit;
  // Animals that vanished at one place stand side by side.
  while (taken.some((other) => Math.hypot(other[0] - x, other[1] - y) < radius)) x += 2.2 * radius;
  taken.push([x, y]);
  animal.ring = [x, y];
  ink.beginPath();
  ink.arc(x, y, radius, 0, 2 * Math.PI);
  ink.fillStyle = "rgb(0 0 0 / .45)";
  ink.fill();
  ink.setLineDash([5 * unit, 4 * unit]);
  ink.lineWidth = 2.5 * unit;
  ink.strokeStyle = colourOf(animal.id);
  ink.stroke();
  ink.setLineDash([]);
}

function drawAnimal(animal, at, unit) {
  if (animal.state !== "seen" && animal.state !== "predicted") return;
  const points = animal.keypoints;
  ink.globalAlpha = animal.state === "predicted" ? 0.55 : 1;
  if (animal.state === "predicted") ink.setLineDash([4 * unit, 4 * unit]);
  // A dark line under the coloured one keeps it readable on bright fur.
  for (const [colour, width] of [["rgb(0 0 0 / .7)", 4], [colourOf(animal.id), 2]]) {
    ink.strokeStyle = colour;
    ink.lineWidth = width * unit;
    ink.beginPath();
    for (const [a, b] of hello?.skeleton ?? []) {
      if (!points[a] || !points[b]) continue;
      ink.moveTo(...at(points[a]));
      ink.lineTo(...at(points[b]));
    }
    ink.stroke();
  }
  ink.setLineDash([]);
  for (const [name, point] of Object.entries(points)) {
    if (!point) continue;
    ink.beginPath();
    ink.arc(...at(point), (1.6 + 1.4 * point[2]) * unit, 0, 2 * Math.PI);
    // A keypoint that was not seen is a ring.
    if (!animal.predicted.includes(name)) {
      ink.fillStyle = colourOf(animal.id);
      ink.fill();
    }
    ink.lineWidth = 0.8 * unit;
    ink.strokeStyle = "rgb(0 0 0 / .75)";
    ink.stroke();
  }
  ink.globalAlpha = 1;
}

function drawName(animal, at, unit, taken) {
  let words, x, y;
  if (animal.ring) {
    [x, y] = animal.ring;
    words = animal.id;
  } else if (animal.centre && (animal.state === "seen" || animal.state === "predicted")) {
    words = animal.id + " " + percent(animal.p);
    const points = Object.values(animal.keypoints).filter(Boolean).map(at);
    [x, y] = at(animal.centre);
    y = Math.min(y, ...points.map((point) => point[1])) - 11 * unit;
  } else return;
  ink.font = `600 ${12 * unit}px system-ui, "DejaVu Sans", sans-serif`;
  ink.textBaseline = "middle";
  ink.textAlign = "center";
  if (!animal.ring) {
    const half = ink.measureText(words).width / 2 + 5 * unit;
    const high = 15 * unit;
    x = Math.min(Math.max(x, half), canvas.width - half);
    y = Math.max(y, high / 2 + unit);
    for (let n = 0; n < 8 && taken.some((o) => Math.abs(o[0] - x) < half + (o[2] ?? 0) && Math.abs(o[1] - y) < high); n++) y += high;
    taken.push([x, y, half]);
    ink.fillStyle = "rgb(0 0 0 / .68)";
    ink.beginPath();
    ink.roundRect(x - half, y - high / 2, 2 * half, high, 4 * unit);
    ink.fill();
    ink.fillStyle = colourOf(animal.id);
    ink.fillRect(x - half + 2 * unit, y + high / 2 - 2 * unit, 2 * half - 4 * unit, 1.5 * unit);
  }
  ink.fillStyle = "#fff";
  ink.fillText(words, x, y);
}

const percent = (p) => Math.round(p * 100) + " %";

// ---- words ----

function tellModel() {
  put($("model"), [hello?.model, ...(news?.runs ?? []), hello && "arenad " + hello.version].filter(Boolean).join(" · "));
}

function tellState() {
  const pill = $("state");
  const banner = $("banner");
  let words = "live", kind = "good", why = "";
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    [words, kind] = ["no connection", "bad"];
    why = "No connection to arenad. Trying again.";
  } else if (performance.now() - lastHeard > 3000) {
    [words, kind] = ["no answer", "bad"];
    why = "arenad does not answer.";
  } else if (news && news.stats.camera === "retrying") {
    [words, kind] = ["camera lost", "bad"];
    why = "Camera lost" + (news.camera ? ": " + news.camera : "") + ". Trying again.";
  } else if (news && news.opening) {
    [words, kind] = ["opening", "wait"];
    why = news.opening;
  } else if (!news || news.stats.camera === "starting") {
    [words, kind] = ["starting", "wait"];
    why = "Waiting for the first picture.";
  } else if (!document.hidden && performance.now() - lastPicture > 3000) {
    [words, kind] = ["no pictures", "wait"];
    why = "The camera is connected, but no pictures come.";
  }
  if (pill.textContent !== words) { pill.textContent = words; pill.className = "pill " + kind; }
  if (banner.textContent !== why) { banner.textContent = why; banner.className = kind; banner.hidden = !why; canvas.classList.toggle("stale", !!why); }
}

/// Rows by key, made once and then only their words changed.
function rows(body, keys, make) {
  if (body.dataset.keys !== keys.join()) {
    body.replaceChildren(...keys.map(make));
    body.dataset.keys = keys.join();
  }
  return body.children;
}

function element(name, parts = [], attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[parts].flat());
  return made;
}

function put(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

function tellScene() {
  const scene = shown.scene;
  put($("clock"), scene.captured.slice(11, 23) + " UTC");
  put($("frame"), "frame " + scene.frame);
  const keys = scene.animals.map((animal, n) => (animal.id === "?" ? "?" + n : animal.id));
  const lines = rows($("animals"), keys, (key) => {
    const swatch = element("span", [], { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colourOf(key);
    const meter = element("meter", [], { min: 0, max: 1, low: 0.5, high: 0.8, optimum: 1, "aria-hidden": "true" });
    return element("tr", [
      element("th", [swatch, key[0] === "?" ? "?" : key], { scope: "row" }),
      element("td", [meter, element("span", [], { class: "sure" })], { class: "wide" }),
      element("td"), element("td"),
    ]);
  });
  scene.animals.forEach((animal, n) => {
    const [, sure, state, zone] = lines[n].children;
    sure.firstChild.value = animal.p;
    put(sure.lastChild, animal.state === "unseen" ? "–" : percent(animal.p));
    put(state, animal.state);
    put(zone, animal.zone ?? animal.vanished?.zone ?? "–");
    lines[n].className = animal.state === "seen" ? "" : "away";
  });
  const now = performance.now();
  drawn.push(now);
  while (drawn.length && now - drawn[0] > 2000) drawn.shift();
}

const LOST = {
  packets_lost: "network packets", pictures_lost: "in the camera", units_dropped: "before decoding", frames_corrupt: "corrupt", frames_without_reference: "no reference",
  frames_late: "late frames", frames_without_buffer: "no buffer", inference_errors: "inference", events_dropped: "events",
  mqtt_dropped: "to broker", rows_dropped: "to files", web_dropped: "to pages", stalls: "camera stalls",
};

function pairs(list, entries) {
  const lines = rows(list, entries.map(([name]) => name), (name) => element("div", [element("dt", name, { title: name }), element("dd")]));
  entries.forEach(([, words, kind], n) => {
    put(lines[n].lastChild, words);
    lines[n].lastChild.className = kind ?? "";
  });
}

function tellNews() {
  const { stats } = news;
  const rate = (value) => value.toFixed(1) + " /s";
  const page = drawn.length > 1 ? (drawn.length - 1) / ((drawn[drawn.length - 1] - drawn[0]) / 1000) : 0;
  const fresh = performance.now() - lastPicture < 1500;
  pairs($("now"), [
    ["camera", rate(stats.rates.units_hz)],
    ["capture to page", shownAge === null || !fresh ? "–" : Math.round(shownAge) + " ms"],
    ["scenes", rate(stats.rates.scenes_hz)],
    ["this page", rate(fresh ? page : 0)],
    ["stream", (stats.rates.camera_bps / 1e6).toFixed(2) + " Mbit/s"],
    ["messages", rate(stats.rates.mqtt_hz)],
    ["broker", stats.broker, { connected: "good", retrying: "bad", starting: "wait" }[stats.broker]],
    ["up", uptime(stats.uptime_s)],
  ]);
  $("now").title = news.broker;
  const steps = Object.entries(stats.latencies).filter(([, latency]) => latency.count > 0);
  const lines = rows($("latencies"), steps.map(([name]) => name), (name) => element("tr", [
    element("th", name.replaceAll("_", " "), { scope: "row" }), element("td"), element("td"), element("td"),
  ]));
  steps.forEach(([, latency], n) => {
    [latency.median_ms, latency.p99_ms, latency.max_ms].forEach((ms, k) => put(lines[n].children[k + 1], millis(ms)));
  });
  pairs($("lost"), Object.entries(LOST).map(([key, name]) => [name, String(stats.counters[key]), stats.counters[key] ? "bad" : "quiet"]));
}

const millis = (ms) => (ms >= 100 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(3));

function uptime(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

function tellEvent(event) {
  const where = event.zone ?? "no zone";
  const words = {
    "zone-entered": () => `${event.id} entered ${where}`,
    "zone-left": () => `${event.id} left ${where}`,
    vanished: () => `${event.id} vanished` + (event.zone ? ` in ${event.zone}` : ""),
    appeared: () => `${event.id} appeared`,
    triggered: () => `${event.rule} fired by ${event.id}, ${event.latency_ms.toFixed(1)} ms`,
    gap: () => `${event.frames} frames lost: ${event.reason}`,
  }[event.kind]?.() ?? event.kind;
  const list = $("events");
  if (list.firstChild?.className === "quiet") list.replaceChildren();
  list.prepend(element("li", [element("time", event.time.slice(11, 21)), element("span", words)]));
  while (list.children.length > 60) list.lastChild.remove();
}

for (const box of document.querySelectorAll(".show input")) box.addEventListener("change", draw);
new ResizeObserver(draw).observe($("view"));
setInterval(() => {
  tellState();
  // A half-open connection never closes by itself.
  if (socket?.readyState === WebSocket.OPEN && performance.now() - lastHeard > 15000) socket.close();
}, 1000);
connect();
