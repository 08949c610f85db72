// Shows lines in a scrolling box. New lines are appended, those that are there are left alone: selection and scroll survive.
// At the end of the box it follows the log; scrolled up, or while something is selected, nothing moves.
const MOST = 5000; // lines kept while somebody reads further up
const TOKEN = /(^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)|(\|[^|]*\|)|\b((?:avr_)?loss=)([\w.+-]+)|(\b\d+%)/g;

function coloured(text) {
  const line = document.createElement("div");
  if (/^=== .* ===$/.test(text)) line.className = "attempt";
  else if (/\b(ERROR|CRITICAL|Traceback)\b|^\w*(\.\w+)*(Error|Exception)\b/.test(text)) line.className = "error";
  else if (/\bWARNING\b/.test(text)) line.className = "warning";
  let last = 0;
  const add = (value, kind) => {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = value; // never markup: a log may say anything
    line.append(span);
  };
  for (const match of text.matchAll(TOKEN)) {
    if (line.className) break;
    line.append(text.slice(last, match.index));
    if (match[1]) add(match[1], "time");
    else if (match[2]) add(match[2], "bar");
    else if (match[3]) line.append(match[3]), add(match[4], "loss");
    else add(match[5], "percent");
    last = match.index + match[0].length;
  }
  line.append(text.slice(last) || (last ? "" : "\u200b")); // an empty line keeps its height
  return line;
}

/** How many of `next` are at the end of `shown` already. */
function overlap(shown, next) {
  for (let shift = 0; shift < shown.length; shift++) {
    const length = shown.length - shift;
    if (length <= next.length && shown.slice(shift).every((line, index) => line === next[index])) return length;
  }
  return 0;
}

function update(root, lines) {
  const box = root.querySelector(".lines");
  const selection = getSelection();
  const selecting = !selection.isCollapsed && box.contains(selection.anchorNode);
  const following = box.scrollHeight - box.scrollTop - box.clientHeight < 24 && !selecting;
  const same = overlap(root.shown ?? [], lines);
  if (!same) box.replaceChildren();
  box.append(...lines.slice(same).map(coloured));
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
  update(root, data.lines);

  // in a closed expander the box has no size, and begins at its end when it is opened
  let width = box.offsetWidth;
  const opened = new ResizeObserver(() => {
    if (!width && box.offsetWidth) box.scrollTop = box.scrollHeight;
    width = box.offsetWidth;
  });
  opened.observe(box);
  const button = root.querySelector("button");
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(root.shown.join("\n") + "\n");
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(box); // no clipboard without https or localhost
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };
  return () => opened.disconnect();
}
