// Shows the lines that a page sends (after log_lines.js). New ones are appended, those that are there are left alone: selection
// and scroll survive. At the end of the box it follows the log; scrolled up, or while something is selected, nothing moves.
const MOST = 5000; // lines kept while somebody reads further up

/** How many of `next` are at the end of `shown` already. */
function overlap(shown, next) {
  for (let shift = 0; shift < shown.length; shift++) {
    const length = shown.length - shift;
    if (length <= next.length && shown.slice(shift).every((line, index) => line === next[index])) return length;
  }
  return 0;
}

function update(root, lines, levels) {
  const box = root.querySelector(".lines");
  const following = box.scrollHeight - box.scrollTop - box.clientHeight < 24 && !isSelecting(box);
  const same = overlap(root.shown ?? [], lines);
  if (!same) box.replaceChildren();
  box.append(...lines.slice(same).map((line, index) => makeLine(line, levels[same + index])));
  const surplus = box.childElementCount - (following || !same ? lines.length : MOST);
  for (let index = 0; index < surplus; index++) box.firstChild.remove();
  root.shown = lines;
  if (following || !same) box.scrollTop = box.scrollHeight;
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".fluxgym-log");
  const box = root.querySelector(".lines");
  root.style.height = `${data.height}px`;
  root.classList.toggle("wrap", data.wrap);
  box.setAttribute("aria-label", data.label);
  root.querySelector(".empty").textContent = data.lines.length ? "" : data.empty;
  update(root, data.lines, data.levels);

  // in a closed expander the box has no size, and begins at its end when it is opened
  let width = box.offsetWidth;
  const opened = new ResizeObserver(() => {
    if (!width && box.offsetWidth) box.scrollTop = box.scrollHeight;
    width = box.offsetWidth;
  });
  opened.observe(box);
  const button = root.querySelector("button");
  button.onclick = async () => {
    button.textContent = await copyLines(root.shown.join("\n") + "\n", box);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  return () => opened.disconnect();
}
