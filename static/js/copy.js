// Copy a text or hand an address to the phone's own sharing sheet. What a browser cannot do stays hidden.
function answer(button, words) {
  const before = button.textContent;
  button.textContent = words;
  setTimeout(() => {
    button.textContent = before;
  }, 2500);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-share]");
  if (!button) return;
  if (button.dataset.share) {
    try {
      await navigator.share({ title: button.dataset.shareTitle || document.title, url: button.dataset.share });
    } catch {
      // The reader closed the sheet.
    }
    return;
  }
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    answer(button, button.dataset.copied || "Copied");
  } catch {
    const field = document.querySelector(button.dataset.copyFrom || "[data-copy-field]");
    field?.select();
  }
});

for (const button of document.querySelectorAll("[data-share]")) button.hidden = !navigator.share;
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
