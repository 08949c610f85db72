// Draws the LoRA files that data.url tells, and fetches them again only when data.version is another. Each file keeps its node,
// so a note that is being written, an open table and a selection survive a refresh. Texts are set as text, never as markup.
const ORDERS = {
  "Newest first": (one, other) => other.modified - one.modified || (other.step ?? 0) - (one.step ?? 0),
  "Lowest validation": (one, other) => (one.validation ?? Infinity) - (other.validation ?? Infinity),
  "Starred first": (one, other) => other.star - one.star || other.modified - one.modified,
};
const THUMBNAILS = 4; // samples beside a file; the viewer has the others
const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

function age(modified) {
  const seconds = Math.max(0, Date.now() / 1000 - modified);
  const [length, unit] = UNITS.find(([length]) => seconds >= length) ?? UNITS.at(-1);
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

async function copy(button, text, node) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(node); // no clipboard without https or localhost
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = before), 1500);
}

async function ask(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

function fact(name) {
  const value = make("span", "value");
  return { value, node: make("div", `fact ${name.toLowerCase()}`, {}, make("span", "name", { textContent: name }), value) };
}

/** The nodes of one file, filled by `fill`. */
function build(root, place) {
  const path = place.split("/").map(encodeURIComponent).join("/");
  const row = { place, star: make("button", "star", { type: "button" }), label: make("strong", "label"), lowest: make("span", "mark lowest", { textContent: "lowest validation" }), problem: make("span", "mark problem") };
  row.note = make("input", "note", { type: "text", maxLength: 500, placeholder: "Add a note", ariaLabel: `Note on ${place}` });
  row.samples = make("div", "samples");
  Object.assign(row, { step: fact("Step"), validation: fact("Validation"), size: fact("Size"), saved: fact("Saved") });
  row.about = make("div", "about", { hidden: true });
  const more = make("button", "", { type: "button", textContent: "Details", ariaExpanded: "false" });
  more.onclick = () => open(root, row, more, `${root.base}/about/${path}`);
  row.remove = make("button", "danger", { type: "button", textContent: "Delete", onclick: () => root.send("asked", place) });
  const download = make("a", "", { href: `${root.base}/lora/${path}`, download: place.split("/").at(-1), textContent: "Download" });
  row.star.onclick = () => root.send("marked", { place, star: !row.said.star, at: Date.now() });
  const save = () => row.note.value !== row.said.note && root.send("marked", { place, note: row.note.value, at: Date.now() });
  row.note.onchange = save;
  row.note.onkeydown = (event) => {
    if (event.key === "Escape") row.note.value = row.said.note;
    if (event.key === "Enter" || event.key === "Escape") row.note.blur();
  };
  const name = make("span", "file", { textContent: place });
  row.node = make("article", "lora", {}, row.star,
    make("div", "main", {}, make("div", "title", {}, row.label, row.lowest, row.problem), name, row.note), row.samples,
    make("div", "facts", {}, row.step.node, row.validation.node, row.size.node, row.saved.node),
    make("div", "does", {}, download, more, row.remove), row.about);
  return row;
}

async function open(root, row, button, url) {
  row.about.hidden = !row.about.hidden;
  button.ariaExpanded = String(!row.about.hidden);
  if (row.about.hidden || row.about.childElementCount) return;
  try {
    const { facts, metadata } = await ask(url);
    const table = (entries) => make("dl", "", {}, ...entries.flatMap(([name, value]) => [make("dt", "", { textContent: name }), make("dd", "", { textContent: value })]));
    const all = Object.entries(metadata);
    row.about.replaceChildren(table(Object.entries(facts)),
      all.length ? make("details", "", {}, make("summary", "", { textContent: `All metadata of the file (${all.length})` }), table(all)) : make("p", "", { textContent: "The file holds no metadata." }));
  } catch (error) {
    row.about.textContent = `It cannot be read: ${error.message}.`;
  }
}

function fill(root, row, said) {
  row.said = said;
  row.star.textContent = said.star ? "\u2605" : "\u2606";
  row.star.ariaPressed = String(said.star);
  row.star.ariaLabel = row.star.title = said.star ? "Take the star away" : "Give it a star";
  row.label.textContent = said.label;
  row.lowest.hidden = !said.lowest;
  row.problem.hidden = !said.problem;
  row.problem.textContent = said.problem === "is being written" ? said.problem : "damaged";
  row.problem.title = said.problem;
  if (document.activeElement !== row.note) row.note.value = said.note;
  row.step.value.textContent = said.step === null ? "-" : said.step.toLocaleString("en");
  row.validation.value.textContent = said.validation ?? "-";
  row.size.value.textContent = said.size;
  row.saved.value.textContent = age(said.modified);
  row.remove.hidden = !root.board.deletes;
  const cells = said.column === null || !root.grid ? [] : root.grid.rows.map((each, index) => [each.cells[said.column], index]).filter(([cell]) => cell);
  const shown = cells.slice(0, THUMBNAILS);
  if (row.cells === JSON.stringify(shown)) return;
  row.cells = JSON.stringify(shown);
  row.samples.replaceChildren(...shown.map(([cell, index]) => {
    const prompt = root.grid.rows[index].prompt;
    const view = () => openViewer(root.grid, index, said.column);
    return make("button", "picture", { type: "button", title: prompt, ariaLabel: `Sample: ${prompt}`, onclick: view },
      make("img", "", { alt: "", loading: "lazy", decoding: "async", src: small(cell), onerror: (event) => (event.target.hidden = true) }));
  }));
}

function draw(root) {
  const { board } = root;
  root.querySelector(".trigger").hidden = !board.trigger;
  root.querySelector(".word").textContent = board.trigger;
  root.querySelector(".order").hidden = board.files.length < 2;
  const files = [...board.files].sort(ORDERS[root.order] ?? ORDERS["Newest first"]);
  const there = new Set(files.map((file) => file.place));
  for (const [place, row] of root.rows) if (!there.has(place)) row.node.remove(), root.rows.delete(place);
  const list = root.querySelector(".files");
  files.forEach((file, index) => {
    if (!root.rows.has(file.place)) root.rows.set(file.place, build(root, file.place));
    const row = root.rows.get(file.place);
    fill(root, row, file);
    if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
  });
}

async function refresh(root, data) {
  if (root.version === data.version) return;
  const wanted = (root.wanted = data.version);
  const trouble = root.querySelector(".trouble");
  try {
    const board = await ask(data.url);
    const grid = board.files.some((file) => file.column !== null) && root.grid?.version !== board.samples ? await ask(`${root.base}/grid`) : root.grid;
    if (root.wanted !== wanted || !root.isConnected) return;
    Object.assign(root, { board, grid, version: wanted });
    trouble.textContent = "";
    draw(root);
  } catch (error) {
    trouble.textContent = `The files cannot be shown: ${error.message}. They are asked for again.`;
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".fluxgym-board");
  root.send = setTriggerValue;
  if (!root.rows) {
    root.rows = new Map();
    root.base = data.url.slice(0, data.url.lastIndexOf("/"));
    const order = root.querySelector("select");
    order.append(...Object.keys(ORDERS).map((name) => make("option", "", { value: name, textContent: name })));
    order.value = kept("board-Order", order.value);
    if (!order.value) order.selectedIndex = 0; // one that is not known any more
    root.order = order.value;
    order.onchange = () => {
      root.order = order.value;
      keep("board-Order", order.value);
      if (root.board) draw(root);
    };
    const button = root.querySelector(".trigger button");
    button.onclick = () => copy(button, root.board.trigger, root.querySelector(".word"));
  }
  refresh(root, data);
  const clock = setInterval(() => root.rows.forEach((row) => (row.saved.value.textContent = age(row.said.modified))), 5000);
  return () => clearInterval(clock);
}
