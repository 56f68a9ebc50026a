// A map of the states: shows stops and venue, and lets one set a stop by a click, a drag of the mark or the arrow keys.
const L = globalThis.L;
const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const STEP_PX = 8; // with Shift a single pixel

function number(field) {
  const value = Number.parseFloat(field?.value);
  return Number.isFinite(value) ? value : null;
}

async function draw(element) {
  const { states, tiles, tilesBy, points: pointsId, latitude, longitude, mark: words } = element.dataset;
  const fields = { latitude: document.querySelector(latitude || "#-"), longitude: document.querySelector(longitude || "#-") };
  const settable = Boolean(fields.latitude && fields.longitude);
  const map = L.map(element, { minZoom: 3, maxZoom: 17, zoomSnap: 0.5, attributionControl: Boolean(tiles), worldCopyJump: true });
  map.setView([39, -96], 3.5);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

  if (tiles) L.tileLayer(tiles, { attribution: tilesBy || "" }).addTo(map);
  else if (states) {
    try {
      const land = await (await fetch(states)).json();
      L.geoJSON(land, { interactive: false, style: { className: "map-land", stroke: true, weight: 1, fillOpacity: 1 } }).addTo(map);
    } catch {
      // No land drawn: marks and coordinates still work.
    }
  }

  const known = pointsId ? JSON.parse(document.getElementById(pointsId).textContent) : [];
  const places = [];
  for (const point of known) {
    const at = [point.latitude, point.longitude];
    places.push(at);
    L.circleMarker(at, { radius: point.kind === "venue" ? 11 : 8, className: `map-${point.kind || "stop"}`, fillOpacity: 1 })
      .bindTooltip(point.name)
      .addTo(map);
  }
  if (places.length > 1) L.polyline(places, { className: "map-way", interactive: false }).addTo(map);

  let mark = null;
  function put(at, { look = false } = {}) {
    if (mark) mark.setLatLng(at);
    else {
      const icon = L.divIcon({ className: "map-here", iconSize: [44, 44] });
      mark = L.marker(at, { icon, draggable: true, autoPan: true, title: words }).addTo(map);
      mark.on("drag", () => set(mark.getLatLng()));
      mark.getElement().setAttribute("aria-label", words);
      mark.getElement().addEventListener("keydown", nudge);
    }
    if (look) map.setView(at, Math.max(map.getZoom(), 10), { animate: !calm });
  }
  function set(latlng) {
    const at = latlng.wrap();
    fields.latitude.value = at.lat.toFixed(5);
    fields.longitude.value = at.lng.toFixed(5);
    put(at);
    element.dispatchEvent(new CustomEvent("stop-set", { bubbles: true, detail: { latitude: at.lat, longitude: at.lng } }));
  }
  function nudge(event) {
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    event.stopPropagation(); // or the map moves under it
    const from = map.latLngToContainerPoint(mark.getLatLng());
    set(map.containerPointToLatLng(from.add(L.point(way).multiplyBy(event.shiftKey ? 1 : STEP_PX))));
    map.panInside(mark.getLatLng(), { padding: [44, 44], animate: !calm });
  }
  function fromFields({ look }) {
    const at = [number(fields.latitude), number(fields.longitude)];
    if (at[0] === null || at[1] === null) {
      mark?.remove();
      mark = null;
    } else if (Math.abs(at[0]) <= 90 && Math.abs(at[1]) <= 180) put(at, { look });
  }

  if (settable) {
    map.on("click", (event) => set(event.latlng));
    // By keyboard the first mark is set in the middle of the map; from there the arrow keys take it.
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target !== element) return;
      event.preventDefault();
      set(map.getCenter());
      mark.getElement().focus();
    });
    for (const field of Object.values(fields)) field.addEventListener("change", () => fromFields({ look: true }));
    fromFields({ look: places.length === 0 });
  }

  if (places.length) map.fitBounds(L.latLngBounds(places).pad(0.25), { maxZoom: 10, animate: false });
}

for (const element of document.querySelectorAll("[data-stop-map]")) draw(element);
