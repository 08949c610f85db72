// The images of a data set with their captions: searched, filtered, selected, edited. What is on disk is the truth: it is asked
// for again every few seconds, and what somebody else wrote appears, while what is being typed stays.
const EVERY = 4000; // ms
const TOLD = 800; // ms after a change, then the page draws its counts anew
const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const FILTERS = {
  all: ["All", () => true],
  bare: ["Without caption", (card) => !card.whole],
  word: ["Without trigger", (card, owner) => owner.lacksTrigger(card)],
  alike: ["Alike", (card, owner) => owner.alike.some((group) => group.keys.includes(card.key))],
  small: ["Too small", (card) => card.image.is_small],
  bad: ["To be mended", (card) => !card.image.size || Boolean(card.image.note)],
};

class Grid {
  constructor(root, data) {
    Object.assign(this, { root, cards: new Map(), selected: new Set(), alike: [], filter: "all", said: "", version: "" });
    this.use(data);
    this.search = make("input", "search", { type: "search", placeholder: "Search captions and names", ariaLabel: "Search captions and names" });
    this.search.oninput = () => this.view();
    this.chips = make("div", "chips", { role: "group", ariaLabel: "Show" });
    this.every = make("input", "", { type: "checkbox", ariaLabel: "Select all in view" });
    this.every.onchange = () => this.selectAll(this.every.checked);
    this.counted = make("span", "counted");
    this.bulk = new Bulk(this);
    this.changes = make("button", "", { type: "button", textContent: "Change captions", onclick: () => this.bulk.show(this.bulk.node.hidden) });
    this.removes = make("button", "", { type: "button", textContent: "Remove", onclick: () => this.remove() });
    this.files = make("input", "", { type: "file", accept: "image/*", hidden: true, ariaLabel: "The image that takes its place" });
    this.files.onchange = () => this.replace();
    this.replaces = make("button", "", { type: "button", textContent: "Replace", onclick: () => this.files.click() });
    this.replaces.title = "Another image in the place of the one that is selected; its caption stays";
    this.news = make("div", "news", { role: "status" });
    this.acts = make("div", "acts", {}, make("label", "", {}, this.every, this.counted), this.changes, this.replaces, this.removes, this.files);
    this.pairs = make("div", "pairs");
    this.none = make("p", "none");
    this.list = make("div", "list");
    const scrolls = make("div", "scrolls", {}, this.pairs, this.list, this.none);
    const bar = make("div", "bar", {}, this.chips, this.search);
    root.replaceChildren(bar, this.acts, this.bulk.node, this.news, scrolls);
  }

  use({ place, url, trigger, height }) {
    Object.assign(this, { place, url, trigger });
    this.root.style.setProperty("--height", height || "none");
    if (this.version) this.count(); // the trigger word may be another
  }

  // ---- what is there -------------------------------------------------------------------------------------------------
  async refresh() {
    const told = await fetch(new URL(this.url, document.baseURI)).then((answer) => (answer.ok ? answer.json() : null), () => null);
    if (told && told.version !== this.version) this.draw(told);
  }

  draw(told) {
    const isFirst = !this.version;
    Object.assign(this, { version: told.version, isEditable: told.is_editable, isRemovable: told.is_removable, told });
    const there = new Set(told.images.map((image) => image.key));
    for (const [key, card] of this.cards) {
      if (there.has(key)) continue;
      card.node.remove();
      this.cards.delete(key);
      this.selected.delete(key);
    }
    let last = null;
    let isNew = false;
    for (const image of told.images) {
      const known = this.cards.get(image.key);
      const card = known ?? new Card(this, image);
      if (known) known.take(image);
      else {
        isNew = true;
        this.cards.set(image.key, card);
        last ? last.node.after(card.node) : this.list.prepend(card.node);
      }
      last = card;
    }
    if (isNew) this.compare();
    this.changes.hidden = !this.isEditable;
    this.removes.hidden = this.replaces.hidden = !this.isRemovable;
    this.tell();
    isFirst || isNew ? this.view() : this.count();
  }

  /** Which are alike takes a while, the first time. */
  async compare() {
    const asked = (this.asked = {});
    const url = new URL(`sets/alike?${new URLSearchParams({ place: this.place })}`, document.baseURI);
    const groups = await fetch(url).then((answer) => (answer.ok ? answer.json() : []), () => []);
    if (this.asked !== asked) return;
    this.alike = groups;
    this.filter === "alike" ? this.view() : this.count();
  }

  // ---- what is shown -------------------------------------------------------------------------------------------------
  /** Only when somebody asks for another view: a card does not go away while its caption is written. */
  view() {
    const wanted = this.search.value.trim().toLowerCase();
    const [, fits] = FILTERS[this.filter];
    let shown = 0;
    for (const card of this.cards.values()) {
      const isFound = !wanted || `${card.image.name}\n${card.whole}`.toLowerCase().includes(wanted);
      const isShown = isFound && fits(card, this);
      card.node.hidden = !isShown || this.filter === "alike";
      card.isShown = isShown;
      shown += isShown;
    }
    const groups = this.filter === "alike" ? this.alike : [];
    this.pairs.replaceChildren(...groups.map((group) => this.group(group)));
    this.bulk.forget();
    this.none.textContent = shown ? "" : this.cards.size ? "None of the images is so." : this.told?.problems[0] ?? "";
    this.count();
  }

  group({ keys, is_same: isSame }) {
    const cards = keys.map((key) => this.cards.get(key)).filter((card) => card?.isShown);
    const item = (card) => {
      const box = make("input", "", { type: "checkbox", checked: this.selected.has(card.key), ariaLabel: `Select ${card.image.name}` });
      box.onchange = () => this.select(card, box.checked);
      const picture = make("img", "", { src: card.small, alt: card.image.name, loading: "lazy" });
      const link = make("a", "picture", { href: card.image.url, target: "_blank", rel: "noopener" }, picture);
      const size = make("span", "size", { textContent: card.size.textContent });
      const head = make("label", "head", {}, box, make("span", "name", { textContent: card.image.name }), size);
      return make("article", "card", {}, link, head, make("small", "", { textContent: card.text || "no caption" }));
    };
    const said = isSame ? "The same file, more than once" : "These look alike";
    const node = make("section", "group", {}, make("strong", "", { textContent: said }), make("div", "list", {}, ...cards.map(item)));
    node.hidden = !cards.length;
    return node;
  }

  lacksTrigger(card) {
    const text = card.whole.toLowerCase();
    return Boolean(this.trigger && text && !text.includes(this.trigger.toLowerCase()) && !text.includes("[trigger]"));
  }

  get isUnsaved() {
    return [...this.cards.values()].some((card) => card.isDirty && !card.area.readOnly);
  }

  /** The cards that a change is for: those that are selected, or all in view. */
  chosen() {
    return [...this.cards.values()].filter((card) => (this.selected.size ? this.selected.has(card.key) : card.isShown));
  }

  /** The numbers, which follow what is typed. */
  count() {
    const cards = [...this.cards.values()];
    const chips = Object.entries(FILTERS).map(([key, [label, fits]]) => [key, label, cards.filter((card) => fits(card, this)).length]);
    const state = JSON.stringify([chips, this.filter]);
    if (state !== this.state) {
      this.state = state;
      const needed = chips.filter(([key, , count]) => count || key === "all" || key === this.filter);
      this.chips.replaceChildren(...needed.map(([key, label, count]) => this.chip(key, label, count)));
    }
    const shown = cards.filter((card) => card.isShown).length;
    const selected = this.selected.size;
    this.counted.textContent = selected ? `${selected.toLocaleString("en")} of ${plural(cards.length, "image")} selected` : `${plural(shown, "image")} in view`;
    this.every.checked = Boolean(selected) && selected >= shown;
    this.every.indeterminate = Boolean(selected) && selected < shown;
    this.removes.disabled = !selected;
    this.replaces.disabled = selected !== 1;
    this.acts.hidden = !cards.length;
  }

  chip(key, label, count) {
    const view = () => {
      this.filter = key;
      this.selectAll(false);
      this.view();
    };
    const parts = { type: "button", ariaLabel: `${label}, ${count}`, ariaPressed: String(key === this.filter), onclick: view };
    return make("button", "chip", parts, label, make("span", "", { textContent: count.toLocaleString("en") }));
  }

  select(card, isSelected) {
    isSelected ? this.selected.add(card.key) : this.selected.delete(card.key);
    card.box.checked = isSelected;
    card.node.classList.toggle("chosen", isSelected);
    this.count();
  }

  selectAll(isSelected) {
    for (const card of this.cards.values()) if (card.isShown || !isSelected) this.select(card, isSelected);
    for (const box of this.pairs.querySelectorAll("input")) box.checked = isSelected;
  }

  // ---- what is done --------------------------------------------------------------------------------------------------
  /** The page's own counts follow. */
  changed() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => this.send?.("changed", Date.now()), TOLD);
  }

  async saveAll(isLeaving = false) {
    await Promise.all([...this.cards.values()].filter((card) => card.isDirty).map((card) => card.save(isLeaving)));
  }

  async did(said) {
    this.said = said;
    this.selectAll(false);
    await this.refresh();
    this.tell();
    this.view();
    this.changed();
  }

  async remove() {
    await this.saveAll();
    const told = await attempt(post("remove", { place: this.place, keys: [...this.selected] }));
    await this.did(told.ok ? `${plural(told.removed, "image")} removed, with ${told.removed === 1 ? "its caption" : "their captions"}.` : `Not removed: ${told.error}.`);
  }

  async replace() {
    const [file] = this.files.files;
    const [image] = this.selected;
    this.files.value = "";
    if (!file || !image) return;
    await this.saveAll();
    const url = new URL(`sets/replace?${new URLSearchParams({ place: this.place, image, name: file.name })}`, document.baseURI);
    const answer = fetch(url, { method: "POST", body: file }).then(async (answer) => ({ ...(await answer.json()), ok: answer.ok }));
    const told = await attempt(answer);
    await this.did(told.ok ? `${file.name} took the place of ${image}.` : `Not replaced: ${told.error}.`);
  }

  /** What was done last, how it is taken back, and captions that have no image. */
  tell() {
    const { undo, removed, lonely } = this.told;
    const button = (label, deed, said, more = {}) =>
      make("button", "", { type: "button", textContent: label, onclick: () => this.back(deed, said, more) });
    const parts = this.said ? [make("span", "", { textContent: this.said })] : [];
    if (undo) parts.push(button(`Take the change of ${plural(undo, "caption")} back`, "undo", "The change was taken back."));
    if (removed && this.isRemovable) parts.push(button(`Bring back ${removed.toLocaleString("en")} removed`, "bring-back", "They are back."));
    if (lonely.length) {
      parts.push(make("span", "bad", { textContent: `${plural(lonely.length, "caption")} without an image: ${lonely.slice(0, 5).join(", ")}${lonely.length > 5 ? " ..." : ""}` }));
      if (this.isRemovable) parts.push(button("Remove them", "remove", "Removed.", { lonely }));
    }
    this.news.replaceChildren(...parts);
    this.news.hidden = !parts.length;
  }

  async back(deed, said, more) {
    await this.saveAll();
    const told = await attempt(post(deed, { place: this.place, ...more }));
    const left = told.left?.length ? ` ${told.left.length} were edited since, or are there again, and stay as they are.` : "";
    await this.did(told.ok ? said + left : `That could not be done: ${told.error}.`);
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".fluxgym-set");
  if (root.grid?.place !== data.place) root.grid = new Grid(root, data);
  const { grid } = root;
  grid.use(data);
  grid.send = setTriggerValue;
  grid.refresh();
  const clock = setInterval(() => document.visibilityState === "visible" && grid.refresh(), EVERY);
  const warn = (event) => grid.isUnsaved && event.preventDefault();
  const leave = () => grid.saveAll(true);
  addEventListener("beforeunload", warn);
  addEventListener("pagehide", leave);
  return () => {
    clearInterval(clock);
    removeEventListener("beforeunload", warn);
    removeEventListener("pagehide", leave);
    leave();
  };
}
