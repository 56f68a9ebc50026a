// The coach that fills: when its drawing is replaced, the seats taken since the last look light up one by one.
const seen = new Map();

function look(coach) {
  const key = coach.dataset.coach;
  const taken = Number(coach.dataset.taken);
  if (!key || !Number.isFinite(taken) || !coach.matches(".coach-full")) return;
  const before = seen.get(key);
  seen.set(key, taken);
  if (before === undefined || taken <= before) return;
  const seats = coach.querySelectorAll(".seat");
  for (let index = before; index < Math.min(taken, seats.length); index++) {
    seats[index].classList.add("lit-now", `lit-${Math.min(index - before, 7)}`);
  }
}

for (const coach of document.querySelectorAll("svg[data-coach]")) look(coach);

new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      if (node.matches("svg[data-coach]")) look(node);
      for (const coach of node.querySelectorAll("svg[data-coach]")) look(coach);
    }
  }
}).observe(document.body, { childList: true, subtree: true });
