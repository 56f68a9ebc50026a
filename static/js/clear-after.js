// A form that htmx has sent is emptied for the next entry: `data-clear-after`.
document.addEventListener("htmx:afterRequest", ({ target }) => {
  if (!(target instanceof HTMLFormElement) || !target.hasAttribute("data-clear-after")) return;
  const field = target.querySelector("input:not([type=hidden])");
  if (field) field.value = "";
});
