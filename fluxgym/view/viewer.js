// One sample in full size over the page: next and previous epoch (or run), next and previous prompt, and a slider between two.
// It lies outside of what Streamlit draws again, so a refresh leaves it alone. Texts are set as text, never as markup.
const make = (tag, className, parts = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), { className, ...parts });
  node.append(...children);
  return node;
};
const small = (cell) => `${cell}&small=1`;
const SWIPE = 40; // px
const kept = (name, fallback) => {
  try {
    return localStorage.getItem(`fluxgym-${name}`) ?? fallback;
  } catch {
    return fallback; // a browser may refuse to keep anything
  }
};
const keep = (name, value) => {
  try {
    localStorage.setItem(`fluxgym-${name}`, value);
  } catch {
    return; // then the choice holds until the page is left
  }
};

class Viewer {
  constructor(grid, row, column) {
    Object.assign(this, { grid, row, column, pair: null, divider: 0.5, wanted: 0 });
    this.build();
    this.opener = document.activeElement;
    document.body.append(this.box);
    this.box.showModal();
    this.show();
  }

  build() {
    const button = (text, label, does) => make("button", "", { type: "button", textContent: text, ariaLabel: label, title: label, onclick: does });
    this.title = make("strong", "said");
    this.below = make("span", "below");
    const each = this.grid.each ?? "epoch"; // what its columns are
    this.compare = button("Compare", `Compare two ${each}s (C)`, () => this.toggle());
    this.whole = make("a", "", { target: "_blank", rel: "noopener", textContent: "Open", title: "Open the file" });
    this.front = make("img", "front", { alt: "", draggable: false });
    this.back = make("img", "back", { alt: "", draggable: false });
    this.line = make("div", "line");
    this.left = button("\u2039", `Previous ${each} (left arrow)`, () => this.step(-1));
    this.right = button("\u203a", `Next ${each} (right arrow)`, () => this.step(1));
    this.left.className = "turn previous";
    this.right.className = "turn next";
    this.stage = make("div", "stage", { tabIndex: -1, autofocus: true }, this.back, this.front, this.line, this.left, this.right);
    this.first = make("select", "", { ariaLabel: "On the left", onchange: () => this.choose() });
    this.second = make("select", "", { ariaLabel: "On the right", onchange: () => this.choose() });
    this.slider = make("input", "", { type: "range", oninput: () => this.slide() });
    const head = make("header", "", {}, make("div", "told", {}, this.title, this.below), this.compare, this.whole,
      button("\u00d7", "Close (Escape)", () => this.box.close()));
    this.box = make("dialog", "fluxgym-viewer", { ariaLabel: "Sample" }, head, this.stage,
      make("footer", "", {}, this.first, this.slider, this.second));
    this.box.onclose = () => this.end();
    this.box.onkeydown = (event) => this.press(event);
    this.stage.onpointerdown = (event) => this.touch(event);
    this.resized = new ResizeObserver(() => this.place());
    this.resized.observe(this.stage);
  }

  get cells() {
    return this.grid.rows[this.row].cells;
  }

  /** The columns in which this prompt has a picture. */
  get there() {
    return this.cells.map((cell, index) => (cell ? index : -1)).filter((index) => index >= 0);
  }

  step(by) {
    const { there } = this;
    const next = there[there.indexOf(this.column) + by];
    if (next === undefined || this.pair) return;
    this.column = next;
    this.show();
  }

  turn(by) {
    const rows = this.grid.rows;
    for (let row = this.row + by; rows[row]; row += by) {
      if (!rows[row].cells.some(Boolean)) continue;
      this.row = row;
      const nearest = (column) => this.there.reduce((best, each) => (Math.abs(each - column) < Math.abs(best - column) ? each : best));
      this.column = nearest(this.column);
      if (this.pair) this.pair = this.pair.map(nearest);
      return this.show();
    }
  }

  toggle() {
    const { there } = this;
    if (this.pair) this.column = this.pair[1];
    const other = there.find((column) => column !== this.column);
    if (!this.pair && other === undefined) return;
    this.pair = this.pair ? null : this.column === there[0] ? [this.column, there.at(-1)] : [there[0], this.column];
    this.divider = 0.5;
    this.show();
  }

  choose() {
    this.pair = [Number(this.first.value), Number(this.second.value)];
    this.show();
  }

  slide() {
    if (this.pair) {
      this.divider = Number(this.slider.value) / 1000;
      this.place();
    } else {
      this.column = this.there[Number(this.slider.value)];
      this.show();
    }
  }

  press(event) {
    const inField = event.target.matches("select, input");
    const does = { ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), ArrowUp: () => this.turn(-1), ArrowDown: () => this.turn(1), c: () => this.toggle() };
    if (!does[event.key] || event.ctrlKey || event.metaKey || (inField && event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    does[event.key]();
  }

  touch(event) {
    if (event.target.closest("button")) return;
    const from = event.clientX;
    const move = (now) => {
      const area = this.area();
      this.divider = Math.min(1, Math.max(0, (now.clientX - this.stage.getBoundingClientRect().left - area.left) / area.width));
      this.slider.value = this.divider * 1000;
      this.place();
    };
    if (this.pair) move(event), (this.stage.onpointermove = move);
    this.stage.setPointerCapture(event.pointerId);
    this.stage.onpointerup = this.stage.onpointercancel = (now) => {
      this.stage.onpointermove = this.stage.onpointerup = this.stage.onpointercancel = null;
      const moved = now.clientX - from;
      if (!this.pair && now.type === "pointerup" && Math.abs(moved) > SWIPE) this.step(moved < 0 ? 1 : -1);
    };
  }

  show() {
    const { columns, rows } = this.grid;
    const row = rows[this.row];
    const { there } = this;
    const shown = this.pair ?? [this.column, this.column];
    const name = (column) => [columns[column], row.captions?.[column]].filter(Boolean).join(", ");
    const names = [...new Set(shown)].map(name).join(" and ");
    const place = there.indexOf(this.column) + 1;
    this.title.textContent = row.prompt;
    this.below.textContent = [names, row.seed === null ? "" : `seed ${row.seed}`, this.pair ? "" : `${place} of ${there.length}`].filter(Boolean).join(" \u00b7 ");
    this.compare.textContent = this.pair ? "One picture" : "Compare";
    this.compare.disabled = there.length < 2;
    this.whole.href = row.cells[shown[1]];
    this.whole.hidden = Boolean(this.pair);
    this.box.classList.toggle("compares", Boolean(this.pair));
    this.left.disabled = place <= 1;
    this.right.disabled = place >= there.length;
    const slider = this.pair ? { max: 1000, value: this.divider * 1000, ariaLabel: "Between the two" } : { max: there.length - 1, value: place - 1, ariaLabel: this.grid.each ?? "epoch" };
    Object.assign(this.slider, { min: 0, ...slider, disabled: there.length < 2 });
    [this.first, this.second].forEach((select, side) => {
      select.replaceChildren(...there.map((column) => make("option", "", { value: column, textContent: columns[column], selected: column === shown[side] })));
    });
    this.load(row.cells[shown[0]], row.cells[shown[1]], place);
  }

  /** Both pictures appear once they are there, the small ones before the whole ones; until then those before stay. */
  async load(before, after, place) {
    const turn = ++this.wanted;
    for (const of of [small, (cell) => cell]) {
      const pictures = await Promise.all([before, after].map(async (cell) => {
        const picture = new Image();
        picture.src = of(cell);
        await picture.decode().catch(() => {}); // one that is not whole yet is shown as the browser can
        return picture.src;
      }));
      if (turn !== this.wanted) return;
      [this.back.src, this.front.src] = pictures;
      this.front.alt = this.below.textContent;
      await this.front.decode().catch(() => {});
      this.place();
    }
    for (const next of [this.there[place - 2], this.there[place]]) if (next !== undefined) new Image().src = this.cells[next];
  }

  /** Where the picture lies in the stage, in px. */
  area() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const { naturalWidth, naturalHeight } = this.front;
    const scale = naturalHeight ? Math.min(width / naturalWidth, height / naturalHeight) : 1;
    const shown = naturalHeight ? [naturalWidth * scale, naturalHeight * scale] : [width, height];
    return { left: (width - shown[0]) / 2, width: shown[0], top: (height - shown[1]) / 2 };
  }

  place() {
    const { left, width, top } = this.area();
    const at = left + width * this.divider;
    Object.assign(this.line.style, { left: `${at}px`, top: `${top}px`, bottom: `${top}px` });
    this.front.style.clipPath = this.pair ? `inset(0 0 0 ${at}px)` : "";
  }

  end() {
    this.resized.disconnect();
    this.box.remove();
    if (this.opener?.isConnected) this.opener.focus();
  }
}

function openViewer(grid, row, column) {
  return new Viewer(grid, row, column);
}
