// The map of the report: swipe, zoom, values under the pointer, highlighting of classes. It uses only the page.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const { width, height } = data;
const el = (id) => document.getElementById(id);
const root = document.documentElement;
root.classList.add("js");

const stage = el("stage"), swipe = el("swipe"), divider = el("divider"), veil = el("veil"), cross = el("cross");
const planes = [...document.querySelectorAll(".plane")];
const pictures = [...document.querySelectorAll(".layer")]; // the first one is shown on the left, the second one on the right
const choices = { left: el("left"), right: el("right") };
for (const plane of planes) { plane.style.width = `${width}px`; plane.style.height = `${height}px`; }

// ---- theme
const theme = el("theme");
const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; theme.setAttribute("aria-label", `${theme.textContent} page`); };
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; nameTheme(); highlight(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { nameTheme(); highlight(); });
nameTheme();

// ---- two pictures, and the swipe between them
const shown = { left: 0, right: 1 };
for (const side of ["left", "right"]) {
  pictures.forEach((picture, n) => choices[side].add(new Option(picture.dataset.title, String(n))));
  choices[side].addEventListener("change", () => {
    const other = side === "left" ? "right" : "left", chosen = Number(choices[side].value);
    if (shown[other] === chosen) shown[other] = shown[side];
    shown[side] = chosen;
    arrange();
  });
}
function arrange() {
  const [left, right] = [shown.left, shown.right].map((n) => pictures[n]);
  el("spare").append(...pictures.filter((picture) => picture !== left && picture !== right));
  el("pane-left").firstElementChild.append(left);
  el("pane-right").firstElementChild.append(right);
  for (const side of ["left", "right"]) {
    choices[side].value = String(shown[side]);
    pictures.forEach((picture, n) => { choices[side].options[n].textContent = picture.dataset.title; });
    el(`tag-${side}`).textContent = pictures[shown[side]].dataset.title;
  }
  part();
}
const KNOB = 44; // width of the knob, as in report.css: its middle stays half of this away from the edges
function part() {
  const share = Number(swipe.value) / 100, room = stage.clientWidth;
  const at = share <= 0 ? 0 : share >= 1 ? room : KNOB / 2 + share * (room - KNOB);
  el("pane-right").style.clipPath = `inset(0 0 0 ${at}px)`;
  divider.style.left = `${at}px`;
  el("tag-left").hidden = at < 90;
  el("tag-right").hidden = room - at < 90;
  const [left, right] = [shown.left, shown.right].map((n) => pictures[n].dataset.title);
  swipe.setAttribute("aria-valuetext", `${Math.round(swipe.value)} % ${left}, ${100 - Math.round(swipe.value)} % ${right}`);
}
swipe.addEventListener("input", part);
let grip = 0; // distance of the pointer from the middle of the line, when a drag starts
divider.addEventListener("pointerdown", (event) => {
  divider.setPointerCapture(event.pointerId);
  grip = event.clientX - divider.getBoundingClientRect().left - divider.clientWidth / 2;
  event.preventDefault();
  swipe.focus({ preventScroll: true });
});
divider.addEventListener("pointermove", (event) => {
  if (!divider.hasPointerCapture(event.pointerId)) return;
  const box = stage.getBoundingClientRect();
  swipe.value = String((100 * (event.clientX - grip - box.left - KNOB / 2)) / (box.width - KNOB));
  part();
});

// ---- zoom and pan: `scale` is CSS pixels per shown pixel; (left, top) is the position of the map's corner in the stage
const view = { scale: 1, left: 0, top: 0 };
const NEAREST = 40;
const fit = () => Math.min(stage.clientWidth / width, stage.clientHeight / height);
const isWhole = () => view.scale <= fit() * 1.001;
function show() {
  const least = fit();
  view.scale = Math.min(Math.max(view.scale, least), Math.max(NEAREST, least));
  for (const [side, room, size] of [["left", stage.clientWidth, width], ["top", stage.clientHeight, height]]) {
    const spare = room - size * view.scale;
    view[side] = spare >= 0 ? spare / 2 : Math.min(0, Math.max(spare, view[side]));
  }
  for (const plane of planes) {
    plane.style.transform = `translate(${view.left}px, ${view.top}px) scale(${view.scale})`;
    plane.classList.toggle("enlarged", view.scale * devicePixelRatio > 1);
  }
  stage.classList.toggle("roams", !isWhole());
  measure();
  mark();
  part();
}
function zoom(by, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const least = fit(), scale = Math.min(Math.max(view.scale * by, least), Math.max(NEAREST, least)), ratio = scale / view.scale;
  view.left = x - (x - view.left) * ratio;
  view.top = y - (y - view.top) * ratio;
  view.scale = scale;
  show();
}
function whole() { view.scale = fit(); show(); }
function measure() {
  const metres = data.pixel / view.scale, room = Math.min(160, stage.clientWidth / 3);
  showScale(metres, room);
}
// In print the map is as wide as its column, so the scale bar has the width of the style sheet.
addEventListener("beforeprint", () => { el("scale").lastElementChild.style.width = ""; el("scale").firstElementChild.textContent = data.scale; });
addEventListener("afterprint", () => show());
el("nearer").addEventListener("click", () => zoom(1.6));
el("farther").addEventListener("click", () => zoom(1 / 1.6));
el("whole").addEventListener("click", whole);
stage.addEventListener("dblclick", (event) => zoom(2, ...inStage(event)));
stage.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 200), ...inStage(event));
}, { passive: false });
let seen = { width: 0, height: 0 };
new ResizeObserver(() => {
  const was = seen;
  seen = { width: stage.clientWidth, height: stage.clientHeight };
  const before = was.width ? Math.min(was.width / width, was.height / height) : 0;
  if (view.scale <= before * 1.001 || !before) whole(); else show();
}).observe(stage);

const touching = new Map();
const inStage = (event) => positionIn(stage, event);
stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  touching.set(event.pointerId, inStage(event));
  stage.setPointerCapture(event.pointerId);
  if (event.pointerType === "touch") point(...inStage(event));
});
stage.addEventListener("pointermove", (event) => {
  const now = inStage(event), before = touching.get(event.pointerId);
  if (before && touching.size === 2) {
    zoom(...pinch(touching, event, before, now));
  } else if (before && !isWhole()) {
    view.left += now[0] - before[0];
    view.top += now[1] - before[1];
    stage.classList.add("drags");
    show();
  }
  if (before) touching.set(event.pointerId, now);
  if (touching.size < 2) point(...now);
});
for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => { touching.delete(event.pointerId); stage.classList.remove("drags"); });
stage.addEventListener("dragstart", (event) => event.preventDefault()); // prevents dragging the picture out of the page
// On a touch screen the values stay after the finger is lifted.
stage.addEventListener("pointerleave", (event) => { if (!crossed && event.pointerType !== "touch") showValues(null); });

// ---- values: decoded from the bytes of the PNGs, because a browser may alter what a canvas returns
const values = new Map(); // picture -> its values, row by row, and how many there are in a row
const classes = el("layer-classes");
function guess(filter, left, up, corner) { // PNG specification, 9.2: the predicted value of a filtered byte
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const [a, b, c] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs);
  return a <= b && a <= c ? left : b <= c ? up : corner;
}
async function indices(picture) {
  const text = atob(picture.src.slice(picture.src.indexOf(",") + 1));
  const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const parts = [];
  let depth = 8, width = 0, height = 0;
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at), kind = text.slice(at + 4, at + 8);
    if (kind === "IHDR") [width, height, depth] = [view.getUint32(at + 8), view.getUint32(at + 12), bytes[at + 16]];
    if (kind === "IDAT") parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += length + 12;
  }
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  const found = new Uint8Array(width * height), size = Math.ceil((width * depth) / 8), most = (1 << depth) - 1;
  let above = new Uint8Array(size);
  for (let y = 0; y < height; y++) {
    const filter = rows[y * (size + 1)], row = rows.subarray(y * (size + 1) + 1, (y + 1) * (size + 1));
    for (let i = 0; filter && i < size; i++) row[i] += guess(filter, i ? row[i - 1] : 0, above[i], i ? above[i - 1] : 0);
    for (let x = 0; x < width; x++) found[y * width + x] = (row[(x * depth) >> 3] >> (8 - depth - ((x * depth) & 7))) & most;
    above = row;
  }
  return { pixels: found, columns: width };
}
async function decode(picture) {
  const source = picture.src, found = await indices(picture);
  if (picture.src === source) values.set(picture, found); // else another picture has taken its place
}
const readable = pictures.filter((picture) => data.values[picture.id]);
Promise.all(readable.map(decode)).then(
  () => { root.dataset.ready = "yes"; highlight(); },
  () => { el("at-classes").textContent = "This browser is too old to read the map's values."; root.dataset.ready = "no"; },
);

// ---- values and coordinates at a position
const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
function degrees(column, row) { // column and row in the pictures, as floats
  if (!data.control) return null;
  const { cells, vectors } = data.control;
  const part = (share) => { const n = Math.min(cells - 1, Math.max(0, Math.floor(share * cells))); return [n, share * cells - n]; };
  const [i, u] = part(column / width), [j, v] = part(row / height);
  const corner = (a, b) => 3 * ((j + b) * (cells + 1) + i + a);
  const [x, y, z] = [0, 1, 2].map((n) => (1 - v) * ((1 - u) * vectors[corner(0, 0) + n] + u * vectors[corner(1, 0) + n]) +
    v * ((1 - u) * vectors[corner(0, 1) + n] + u * vectors[corner(1, 1) + n]));
  return { lat: (Math.atan2(z, Math.hypot(x, y)) * 180) / Math.PI, lon: (Math.atan2(y, x) * 180) / Math.PI };
}
const compass = (value, [plus, minus]) => `${number(Math.abs(value), 5)}° ${value < 0 ? minus : plus}`;
function at(column, row) {
  const fullRow = Math.floor(row * data.factor), fullColumn = Math.floor(column * data.factor);
  if (!(column >= 0 && row >= 0 && column < width && row < height && fullRow < data.rows && fullColumn < data.columns)) return null;
  const [a, , c, , e, f] = data.transform, found = {};
  for (const [picture, { pixels, columns }] of values) {
    const { coarser } = data.values[picture.id];
    found[picture.id] = pixels[Math.floor(row / coarser) * columns + Math.floor(column / coarser)];
  }
  return { column: fullColumn, row: fullRow, code: found[classes.id] ?? null, found, east: c + a * column, north: f + e * row, degrees: degrees(column, row) };
}
function words({ unit, most, step }, value) {
  if (unit === "class") return data.classes.find((entry) => entry.code === value)?.title ?? "–";
  return value === undefined || value > most ? "–" : `${step > 1 ? "about " : ""}${value}${unit}`;
}
function showValues(found) {
  const set = (id, text) => { el(id).textContent = text; };
  for (const entry of entries) entry.classList.toggle("under", !!found && Number(entry.dataset.code) === found.code);
  if (root.dataset.ready === "no") return;
  for (const { id } of readable) set(data.values[id].at, found ? words(data.values[id], found.found[id]) : id === classes.id ? "Point at the map" : "–");
  set("at-pixel", found ? `${found.row}, ${found.column}` : "–");
  set("at-metres", found ? `${number(found.east)}, ${number(found.north)}` : "–");
  set("at-degrees", found && found.degrees ? `${compass(found.degrees.lat, "NS")}, ${compass(found.degrees.lon, "EW")}` : "–");
}
function point(x, y) {
  if (crossed) { crossed = null; mark(); }
  showValues(at((x - view.left) / view.scale, (y - view.top) / view.scale));
}

// ---- a crosshair for the keyboard; its values are announced when it stops
let crossed = null, resting = 0;
function mark() {
  cross.hidden = !crossed;
  if (!crossed) return;
  cross.style.left = `${view.left + crossed.column * view.scale}px`;
  cross.style.top = `${view.top + crossed.row * view.scale}px`;
}
function move(right, down) {
  const last = { column: Math.ceil(data.columns / data.factor), row: Math.ceil(data.rows / data.factor) };
  const middle = () => ({ column: Math.floor((stage.clientWidth / 2 - view.left) / view.scale), row: Math.floor((stage.clientHeight / 2 - view.top) / view.scale) });
  const from = crossed ? { column: Math.floor(crossed.column) + right, row: Math.floor(crossed.row) + down } : middle();
  const within = (value, most) => Math.min(Math.max(value, 0), most - 1);
  // The middle of a pixel; at the edge, the middle of the part inside the raster.
  const inside = (n, most) => (n + Math.min(n + 1, most / data.factor)) / 2;
  crossed = { column: inside(within(from.column, last.column), data.columns), row: inside(within(from.row, last.row), data.rows) };
  for (const [side, along, room] of [["left", "column", stage.clientWidth], ["top", "row", stage.clientHeight]]) {
    const where = view[side] + crossed[along] * view.scale, margin = Math.min(40, room / 4);
    if (where < margin) view[side] += margin - where;
    if (where > room - margin) view[side] -= where - room + margin;
  }
  show();
  const found = at(crossed.column, crossed.row);
  showValues(found);
  clearTimeout(resting);
  resting = setTimeout(() => {
    const others = readable.filter((picture) => picture !== classes).map((picture) => [picture.dataset.title, words(data.values[picture.id], found.found[picture.id])]);
    const read = others.filter(([, text]) => text !== "–").map(([title, text]) => `, ${title} ${text}`).join("");
    const where = found.degrees ? `, ${compass(found.degrees.lat, ["north", "south"])}, ${compass(found.degrees.lon, ["east", "west"])}` : "";
    el("spoken").textContent = `${words(data.values[classes.id], found.code ?? undefined)}${read}${where}`;
  }, 600);
}
stage.tabIndex = 0;
stage.setAttribute("role", "application");
stage.setAttribute("aria-label", "Map: arrow keys move a crosshair, plus and minus zoom, 0 shows all");
stage.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 10 : 1;
  const keys = {
    ArrowLeft: () => move(-step, 0), ArrowRight: () => move(step, 0), ArrowUp: () => move(0, -step), ArrowDown: () => move(0, step),
    "+": () => zoom(1.6, ...middleOfView()), "=": () => zoom(1.6, ...middleOfView()), "-": () => zoom(1 / 1.6, ...middleOfView()), 0: whole,
    Escape: () => { crossed = null; mark(); showValues(null); },
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
const middleOfView = () => (crossed ? [view.left + crossed.column * view.scale, view.top + crossed.row * view.scale] : []);

// ---- highlighting of a class: a veil covers all others
const entries = [...document.querySelectorAll(".entry")];
let kept = null, passing = null, drawn = null;
function highlight() {
  const code = passing ?? kept;
  const shade = isDark() ? 0xdc7c7670 : 0xd8f3f8fa; // as ABGR: the background of the light theme; a grey in the dark theme, where some classes are dark too
  const codes = values.get(classes)?.pixels;
  veil.hidden = code === null || !codes;
  if (veil.hidden || drawn === `${code} ${shade}`) return;
  drawn = `${code} ${shade}`;
  const context = veil.getContext("2d"), image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  for (let n = 0; n < pixels.length; n++) pixels[n] = codes[n] === code ? 0 : shade;
  context.putImageData(image, 0, 0);
}
for (const entry of entries) {
  const code = Number(entry.dataset.code);
  for (const kind of ["pointerenter", "focus"]) entry.addEventListener(kind, () => { passing = code; highlight(); });
  for (const kind of ["pointerleave", "blur"]) entry.addEventListener(kind, () => { passing = null; highlight(); });
  entry.addEventListener("click", () => {
    kept = kept === code ? null : code;
    if (kept === null) passing = null;
    for (const other of entries) other.setAttribute("aria-pressed", String(Number(other.dataset.code) === kept));
    highlight();
  });
}

// Another script may exchange the picture of a layer, which is then shown.
readable.forEach((picture) => picture.addEventListener("exchange", () => {
  const n = pictures.indexOf(picture);
  if (shown.left !== n && shown.right !== n) shown.left = n;
  arrange();
  decode(picture).then(() => showValues(crossed && at(crossed.column, crossed.row)));
}));

arrange();
whole();
})();
