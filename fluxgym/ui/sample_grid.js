// Draws the grid that data.url tells, and fetches it again only when data.version is another. A picture that is there already
// keeps its node: it is neither loaded nor decoded again, and whoever has scrolled stays where they are.
const SIZES = { Small: "6.5rem", Medium: "10.4rem", Large: "16rem" };
const ORDERS = ["Newest first", "Oldest first"];
const TRIES = 5; // a picture may be asked for before its trainer has written it to the end

/** Which columns are shown, in which order: about `most` from the first to the last, or all of them. */
function chosen(count, most, newestFirst, hasBase) {
  const all = Array.from({ length: count }, (_, index) => index);
  if (most && count > most) return [...new Set(Array.from({ length: most }, (_, n) => Math.round((n * (count - 1)) / (most - 1))))];
  return newestFirst ? [...all.slice(0, hasBase), ...all.slice(hasBase).reverse()] : all;
}

function cell(root, row, column) {
  const { grid } = root;
  const url = grid.rows[row].cells[column];
  const said = `${grid.rows[row].prompt}, ${grid.columns[column]}`;
  if (!url) return make("span", "cell none", { ariaLabel: `${said}: no picture` });
  const known = root.cells.get(url);
  const link = known ?? make("a", "cell", { href: url, target: "_blank" });
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    root.viewer = openViewer(root.grid, row, column);
  };
  link.title = link.ariaLabel = said;
  if (!known) {
    const picture = make("img", "", { alt: said, loading: "lazy", decoding: "async" });
    let tries = 0;
    picture.onerror = () => {
      link.classList.add("waits");
      link.dataset.said = ++tries > TRIES ? "cannot be shown" : "not whole yet";
      if (tries <= TRIES) setTimeout(() => (picture.src = small(url)), 2000 * tries);
    };
    picture.onload = () => link.classList.remove("waits");
    picture.src = small(url);
    link.append(picture);
    root.cells.set(url, link);
  }
  const caption = grid.rows[row].captions?.[column];
  return caption ? make("div", "", {}, link, make("small", "caption", { textContent: caption })) : link;
}

/** The head of a column; that of a run in the colour of its line. */
function label(grid, column) {
  const dot = make("span", "dot");
  dot.style.background = grid.colours?.[column] ?? "";
  return make("span", "label", { role: "columnheader", title: grid.columns[column] }, ...(grid.colours ? [dot] : []), grid.columns[column]);
}

function draw(root) {
  const { grid, most } = root;
  const box = root.querySelector(".scrolls");
  const columns = chosen(grid.columns.length, most, root.order === ORDERS[0], Number(grid.columns[0] === "base model"));
  const anchor = [...box.querySelectorAll("a.cell")].find((each) => each.offsetLeft >= box.scrollLeft);
  const before = anchor && box.scrollLeft ? anchor.offsetLeft : null;
  // as it learned, the latest comes last: it is in view until somebody looks at an earlier one
  const follows = most && !grid.each && (!box.querySelector(".row") || box.scrollLeft + box.clientWidth > box.scrollWidth - 4);
  const head = make("div", "row head", { role: "row" }, make("span", "prompt", { role: "columnheader" }),
    ...columns.map((column) => label(grid, column)));
  const rows = grid.rows.map((row, index) => make("div", "row", { role: "row" },
    make("span", "prompt", { role: "rowheader" }, make("span", "", { textContent: row.prompt, title: row.prompt }),
      make("small", "", { textContent: row.seed === null ? "" : `seed ${row.seed}` })),
    ...columns.map((column) => cell(root, index, column))));
  root.querySelector(".table").replaceChildren(...(columns.length ? [head] : []), ...rows);
  root.querySelector(".table").style.setProperty("--columns", columns.length);
  if (follows) box.scrollLeft = box.scrollWidth;
  else if (before !== null) box.scrollLeft += anchor.offsetLeft - before;
  const used = new Set(grid.rows.flatMap((row) => row.cells));
  for (const url of root.cells.keys()) if (!used.has(url)) root.cells.delete(url);
  const count = grid.rows.reduce((sum, row) => sum + row.cells.filter(Boolean).length, 0);
  const plural = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  root.querySelector(".bar").hidden = !count || Boolean(most);
  root.querySelector(".count").textContent = count ? `${plural(count, "sample")} of ${plural(grid.rows.length, "prompt")}` : "";
}

function choice(root, name, options, does) {
  const select = make("select", "", { ariaLabel: name });
  select.append(...options.map((option) => make("option", "", { value: option, textContent: option })));
  select.value = kept(`samples-${name}`, name === "Size" ? "Medium" : ORDERS[0]);
  if (!select.value) select.value = options[0];
  const use = () => does(select.value);
  select.onchange = () => (keep(`samples-${name}`, select.value), use());
  use();
  return make("label", "", {}, make("span", "", { textContent: name }), select);
}

async function refresh(root, data) {
  if (root.version === data.version) return;
  const wanted = (root.wanted = data.version);
  try {
    const answer = await fetch(data.url);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const grid = await answer.json();
    if (root.wanted !== wanted || !root.isConnected) return;
    root.grid = grid;
    root.version = wanted;
    root.querySelector(".trouble").textContent = "";
    draw(root);
  } catch (error) {
    root.querySelector(".trouble").textContent = `The samples cannot be shown: ${error.message}. They are asked for again.`;
  }
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".fluxgym-samples");
  if (!root.cells) {
    root.cells = new Map();
    root.classList.toggle("beside", Boolean(data.beside));
    const bar = root.querySelector(".choices");
    if (!data.most) {
      bar.append(
        choice(root, "Size", Object.keys(SIZES), (size) => root.style.setProperty("--cell", SIZES[size])),
        choice(root, "Order", ORDERS, (order) => ((root.order = order), root.grid && draw(root))),
      );
    }
  }
  root.most = data.most; // of runs that are compared there may be more by now
  refresh(root, data);
}
