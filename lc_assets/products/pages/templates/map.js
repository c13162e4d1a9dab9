// The map of all scenes: pan and zoom over tiles of the class maps, and over the outlines of the scenes.
// Positions are those of Web Mercator: 0 to 1 from the west and from the north. `zoom` 0 shows the world on 256 pixels.
(() => {
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const el = (id) => document.getElementById(id);
document.documentElement.classList.add("js");
const stage = el("stage"), svg = "http://www.w3.org/2000/svg", SIDE = 256;
const [west, north, east, south] = data.extent, [minZoom, maxZoom] = data.zooms;
const scenes = data.maps.filter((map) => map.time !== null), seasons = data.maps.filter((map) => map.time === null);

// ---- the outlines: one path per place, in units of 1/UNIT of the world from the corner of the extent
const UNIT = 1e5, turned = (x) => x + Math.round((west + east) / 2 - x); // on the side of the extent, also beyond 180 degrees
const places = data.places.map((rings, n) => {
  const path = document.createElementNS(svg, "path");
  const moved = rings.map((ring) => ring.map(([x, y]) => [x + turned(ring[0][0]) - ring[0][0], y]));
  path.setAttribute("d", moved.map((ring) => `M${ring.map(([x, y]) => `${(UNIT * (x - west)).toFixed(4)},${(UNIT * (y - north)).toFixed(4)}`).join("L")}Z`).join(""));
  el("places").append(path);
  const all = moved.flat(), xs = all.map(([x]) => x), ys = all.map(([, y]) => y);
  return { n, path, rings: moved, maps: data.maps.filter((map) => map.place === n), box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] };
});
const covers = ({ rings }, [x, y]) => rings.some((ring) => ring.reduce((inside, [ax, ay], n) => {
  const [bx, by] = ring[(n || ring.length) - 1];
  return (ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax ? !inside : inside;
}, false));

// ---- view: the middle of the stage, and the zoom
const view = { x: (west + east) / 2, y: (north + south) / 2, zoom: 0 };
const size = () => SIDE * 2 ** view.zoom; // pixels of the world
const at = (x, y) => [stage.clientWidth / 2 + (x - view.x) * size(), stage.clientHeight / 2 + (y - view.y) * size()];
const from = (left, top) => [view.x + (left - stage.clientWidth / 2) / size(), view.y + (top - stage.clientHeight / 2) / size()];
const least = () => Math.log2(Math.min(stage.clientWidth / (east - west), stage.clientHeight / (south - north)) / SIDE);
function fit([left, top, right, bottom]) {
  view.x = (left + right) / 2;
  view.y = (top + bottom) / 2;
  view.zoom = Math.log2((0.85 * Math.min(stage.clientWidth / (right - left), stage.clientHeight / (bottom - top))) / SIDE);
  show();
}
function fitAll() {
  if (!places.length) return fit(data.extent);
  const boxes = places.map((place) => place.box), of = (n, pick) => pick(...boxes.map((box) => box[n]));
  fit([of(0, Math.min), of(1, Math.min), of(2, Math.max), of(3, Math.max)]);
}
function zoom(by, left = stage.clientWidth / 2, top = stage.clientHeight / 2) {
  const [x, y] = from(left, top);
  view.zoom = Math.min(Math.max(view.zoom + by, least()), maxZoom + 2);
  view.x = x - (left - stage.clientWidth / 2) / size();
  view.y = y - (top - stage.clientHeight / 2) / size();
  show();
}
function pan(right, down) { view.x += right / size(); view.y += down / size(); show(); }
function show() {
  view.zoom = Math.min(Math.max(view.zoom, least()), maxZoom + 2);
  view.x = Math.min(Math.max(view.x, west), east);
  view.y = Math.min(Math.max(view.y, north), south);
  const [left, top] = at(west, north), land = el("land");
  land.style.transform = `translate(${left}px, ${top}px) scale(${((east - west) * size()) / land.naturalWidth}, ${((south - north) * size()) / land.naturalHeight})`;
  el("places").setAttribute("transform", `translate(${left} ${top}) scale(${size() / UNIT})`);
  showTiles();
  measure();
}
function measure() {
  const latitude = Math.atan(Math.sinh(Math.PI * (1 - 2 * view.y)));
  const metres = (40075016.686 * Math.cos(latitude)) / size(), room = Math.min(160, stage.clientWidth / 3);
  showScale(metres, room);
}

// ---- tiles: those in view that a place touches. An older zoom stays until the tiles of the new one are there.
let levels = [], soon = 0;
function query() {
  const key = el("show").value, until = chosenDay();
  return key ? `?show=${encodeURIComponent(key)}` : until === null ? "" : `?until=${until}`;
}
function showTiles() {
  const far = Math.round(view.zoom) < minZoom, z = Math.min(Math.round(view.zoom), maxZoom);
  el("places").classList.toggle("far", far);
  el("far").hidden = !far || !places.length;
  const asked = `${z}${query()}`;
  if (far) levels.splice(0).forEach((level) => level.node.remove());
  else if (!levels.length || levels.at(-1).asked !== asked) {
    const node = document.createElement("div");
    node.className = "level";
    el("tiles").append(node);
    const [left, top] = [west, north].map((value) => Math.floor(value * 2 ** z));
    levels.push({ z, asked, node, left, top, known: new Map() });
  }
  for (const level of levels) {
    const [left, top] = at(level.left / 2 ** level.z, level.top / 2 ** level.z);
    level.node.style.transform = `translate(${left}px, ${top}px) scale(${2 ** (view.zoom - level.z)})`;
  }
  clearTimeout(soon);
  soon = setTimeout(load, 80);
}
function load() {
  const level = levels.at(-1);
  if (!level) return;
  const number = 2 ** level.z, visible = shownPlaces();
  const [[l, t], [r, b]] = [from(0, 0), from(stage.clientWidth, stage.clientHeight)].map((corner) => corner.map((value) => Math.floor(value * number)));
  for (let y = Math.max(t, 0); y <= Math.min(b, number - 1); y++) for (let x = l; x <= r; x++) {
    const name = `${x}/${y}`;
    const touched = visible.some(({ box }) => box[0] * number < x + 1 && box[2] * number > x && box[1] * number < y + 1 && box[3] * number > y);
    if (level.known.has(name) || !touched) continue;
    const tile = new Image(SIDE, SIDE);
    tile.alt = "";
    tile.draggable = false;
    tile.style.left = `${SIDE * (x - level.left)}px`;
    tile.style.top = `${SIDE * (y - level.top)}px`;
    tile.addEventListener("load", () => done(level));
    tile.addEventListener("error", () => done(level));
    tile.src = `tiles/${level.z}/${((x % number) + number) % number}/${y}.png${query()}`;
    level.known.set(name, tile);
    level.node.append(tile);
  }
  done(level);
}
function done(level) {
  if (level !== levels.at(-1) || ![...level.known.values()].every((tile) => tile.complete)) return;
  levels.splice(0, levels.length - 1).forEach((old) => old.node.remove());
  stage.dataset.ready = level.asked;
}

// ---- what is shown: the scenes until a day, one of them, or a season map
const days = [...new Set(scenes.map((map) => new Date(1000 * map.time).toISOString().slice(0, 10)))].sort();
const chosenDay = () => (days.length < 2 || Number(el("until").value) === days.length - 1 ? null : days[Number(el("until").value)]);
const isShown = (map) => {
  const key = el("show").value, until = chosenDay();
  return key ? map.key === key : map.time !== null && (until === null || new Date(1000 * map.time).toISOString().slice(0, 10) <= until);
};
const shownPlaces = () => places.filter((place) => place.maps.some(isShown));
el("show").append(new Option("Newest scenes on top", ""), ...seasons.map((map) => new Option(`Season map ${map.title}`, map.key)));
if (!scenes.length && seasons.length) el("show").value = seasons[0].key;
el("until").max = String(Math.max(days.length - 1, 0));
el("until").value = el("until").max; // a value above the largest one would be cut
function choose() {
  el("until").disabled = days.length < 2 || el("show").value !== "";
  const day = days[Number(el("until").value)];
  el("until-day").textContent = day ? new Date(day).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }) : "";
  el("until").setAttribute("aria-valuetext", el("until-day").textContent);
  const visible = new Set(shownPlaces());
  for (const place of places) place.path.classList.toggle("out", !visible.has(place));
  showTiles();
}
el("show").addEventListener("change", choose);
el("until").addEventListener("input", choose);
el("opacity").addEventListener("input", () => { el("tiles").style.opacity = String(el("opacity").value / 100); });
function showOnly(map) {
  if (![...el("show").options].some((option) => option.value === map.key)) el("show").add(new Option(map.title, map.key));
  el("show").value = map.key;
  choose();
}

// ---- the list of places, and the maps at a position
const names = new Map();
for (const map of data.maps) {
  const name = map.time === null ? `Season map ${map.title}` : map.tile || map.title;
  names.set(name, [...(names.get(name) || []), map]);
}
const sorted = [...names].sort(([a], [b]) => a.localeCompare(b));
el("place").append(new Option("all maps", ""), ...sorted.map(([name, maps]) => new Option(maps.length > 1 ? `${name}, ${maps.length} scenes` : name, name)));
el("place").addEventListener("change", () => {
  const found = names.get(el("place").value);
  if (!found) return fitAll();
  const { box } = places[found[0].place];
  fit(box);
  list([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]);
});
const MOST = 50;
function list(position) {
  const here = places.filter((place) => covers(place, position)), maps = here.flatMap((place) => place.maps);
  maps.sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
  for (const place of places) place.path.classList.toggle("chosen", here.includes(place));
  el("here-words").textContent = maps.length ? `${maps.length} ${maps.length > 1 ? "maps" : "map"}${maps.length > MOST ? `, of which the newest ${MOST} are listed` : ""}` : "No map here";
  el("here").replaceChildren(...maps.slice(0, MOST).map((map) => {
    const item = document.createElement("li"), name = document.createElement(map.href ? "a" : "span"), only = document.createElement("button");
    name.textContent = map.title;
    if (map.href) name.href = map.href;
    only.type = "button";
    only.className = "control";
    only.textContent = "Show only";
    only.setAttribute("aria-label", `Show only ${map.title}`);
    only.addEventListener("click", () => showOnly(map));
    item.append(name, only);
    return item;
  }));
}

// ---- pointer, wheel, keys
const touching = new Map();
let moved = 0;
const inStage = (event) => positionIn(stage, event);
stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || event.target.closest("button")) return;
  if (!touching.size) moved = 0;
  touching.set(event.pointerId, inStage(event));
  stage.setPointerCapture(event.pointerId);
});
stage.addEventListener("pointermove", (event) => {
  const before = touching.get(event.pointerId), now = inStage(event);
  if (!before) return;
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (touching.size === 2) {
    const [by, ...middle] = pinch(touching, event, before, now);
    zoom(Math.log2(by), ...middle);
  } else if (moved > 4) {
    stage.classList.add("drags");
    pan(before[0] - now[0], before[1] - now[1]);
  }
  touching.set(event.pointerId, now);
});
for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => {
  if (!touching.delete(event.pointerId)) return;
  stage.classList.remove("drags");
  if (kind === "pointerup" && moved <= 4) list(from(...inStage(event)));
});
stage.addEventListener("wheel", (event) => { event.preventDefault(); zoom(-event.deltaY / 250, ...inStage(event)); }, { passive: false });
stage.addEventListener("dblclick", (event) => { if (!event.target.closest("button")) zoom(1, ...inStage(event)); });
el("nearer").addEventListener("click", () => zoom(1));
el("farther").addEventListener("click", () => zoom(-1));
el("whole").addEventListener("click", fitAll);
stage.tabIndex = 0;
stage.setAttribute("role", "application");
stage.setAttribute("aria-label", "Map: arrow keys move it, plus and minus zoom, 0 shows all, Enter lists the maps in the middle");
stage.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target !== stage) return;
  const step = event.shiftKey ? 300 : 80;
  const keys = {
    ArrowLeft: () => pan(-step, 0), ArrowRight: () => pan(step, 0), ArrowUp: () => pan(0, -step), ArrowDown: () => pan(0, step),
    "+": () => zoom(1), "=": () => zoom(1), "-": () => zoom(-1), 0: fitAll, Enter: () => list([view.x, view.y]),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
let first = true;
new ResizeObserver(() => { if (first) fitAll(); else show(); first = false; }).observe(stage);
el("land").decode().then(show, () => {});
choose();
})();
