// A text field that suggests places while one types (ARIA combobox with a listbox). Without it the field is plain text.
const WAIT_MS = 160;
let count = 0;

function enhance(box) {
  const input = box.querySelector("input:not([type=hidden])");
  const list = document.createElement("ul");
  const told = document.createElement("span");
  let options = [];
  let active = -1;
  let timer = 0;
  let asking = null;

  list.id = `places-${++count}`;
  list.role = "listbox";
  list.hidden = true;
  list.setAttribute("aria-label", input.labels?.[0]?.textContent.trim() || "Places");
  told.className = "sr-only";
  told.role = "status";
  box.append(list, told);
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", list.id);
  input.autocomplete = "off";

  const fields = {
    latitude: box.dataset.placeLatitude,
    longitude: box.dataset.placeLongitude,
    time_zone: box.dataset.placeZone,
    id: box.dataset.placeId,
  };

  function fill(place) {
    for (const [key, selector] of Object.entries(fields)) {
      const field = selector && document.querySelector(selector);
      if (!field) continue;
      field.value = place?.[key] ?? "";
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function point(index) {
    active = index;
    for (const [i, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(i === index));
    const item = list.children[index];
    if (!item) {
      input.removeAttribute("aria-activedescendant");
      return;
    }
    input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  function choose(index) {
    const place = options[index];
    if (!place) return;
    input.value = place.detail ? `${place.name}, ${place.detail}` : place.name;
    fill(place);
    close();
    box.dispatchEvent(new CustomEvent("place-chosen", { bubbles: true, detail: place }));
  }

  function show(results) {
    options = results;
    list.replaceChildren(
      ...results.map((place, index) => {
        const item = document.createElement("li");
        item.id = `${list.id}-${index}`;
        item.role = "option";
        item.setAttribute("aria-selected", "false");
        item.append(place.name);
        if (place.detail) {
          const detail = document.createElement("small");
          detail.textContent = place.detail;
          item.append(" ", detail);
        }
        return item;
      }),
    );
    told.textContent = `${results.length}`;
    list.hidden = results.length === 0;
    input.setAttribute("aria-expanded", String(results.length > 0));
    point(-1);
  }

  async function ask() {
    const words = input.value.trim();
    asking?.abort();
    if (words.length < 2) {
      close();
      return;
    }
    asking = new AbortController();
    try {
      const address = new URL(box.dataset.placesUrl, location.href);
      address.searchParams.set("q", words);
      const answer = await fetch(address, { signal: asking.signal, headers: { Accept: "application/json" } });
      if (answer.ok && document.activeElement === input) show((await answer.json()).results.slice(0, 8));
    } catch (error) {
      if (error.name !== "AbortError") close();
    }
  }

  input.addEventListener("input", () => {
    fill(null);
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && options.length && input.value.trim()) {
      event.preventDefault();
      const opened = list.hidden;
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (opened) point(step > 0 ? 0 : options.length - 1);
      else point((active + step + options.length) % options.length);
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Tab" && !list.hidden && active >= 0) {
      choose(active);
    }
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // Keep the focus in the field.
    const item = event.target.closest("[role=option]");
    if (item) choose([...list.children].indexOf(item));
  });
  input.addEventListener("blur", () => close());
}

function enhanceAll(root) {
  for (const box of root.querySelectorAll("[data-places-url]:not([data-enhanced])")) {
    box.dataset.enhanced = "";
    enhance(box);
  }
}

enhanceAll(document);
document.addEventListener("htmx:load", (event) => enhanceAll(event.detail.elt.parentElement || document));
