// One change to many captions: what it would do is shown first, then it is made, and can be taken back.
const CHANGES = {
  replace: ["Find and replace", "Find", "Replace with"],
  prefix: ["Put before", "Text at the beginning"],
  append: ["Put behind", "Text at the end"],
  "remove prefix": ["Take off the beginning", "Text at the beginning"],
};
const MOST_SHOWN = 100; // changes that are looked at before they are made

class Bulk {
  constructor(owner) {
    this.owner = owner;
    this.kind = make("select", "", { ariaLabel: "Change" });
    this.kind.append(...Object.entries(CHANGES).map(([value, [label]]) => make("option", "", { value, textContent: label })));
    this.kind.onchange = () => this.choose();
    this.text = make("input", "", { type: "text", maxLength: 1000 });
    this.put = make("input", "", { type: "text", maxLength: 1000 });
    this.case = make("input", "", { type: "checkbox", checked: true });
    this.text.oninput = this.put.oninput = this.case.onchange = () => this.forget();
    this.go = make("button", "", { type: "submit", textContent: "Preview" });
    const close = make("button", "", { type: "button", textContent: "Close", onclick: () => this.show(false) });
    const cased = make("label", "cased", {}, this.case, "Match case");
    this.form = make("form", "fields", {}, this.kind, this.text, this.put, cased, this.go, close);
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.preview();
    };
    this.result = make("div", "result", { role: "status" });
    this.node = make("section", "bulk", { hidden: true, ariaLabel: "Change many captions" }, this.form, this.result);
    this.choose();
  }

  show(isShown) {
    this.node.hidden = !isShown;
    this.forget();
    if (isShown) this.text.focus();
  }

  choose() {
    const [, text, put] = CHANGES[this.kind.value];
    this.text.placeholder = this.text.ariaLabel = text;
    this.put.placeholder = this.put.ariaLabel = put ?? "";
    this.put.hidden = !put;
    const trigger = this.owner.trigger;
    if (trigger && this.kind.value.endsWith("prefix")) this.text.value = `${trigger}, `;
    this.forget();
  }

  forget() {
    this.result.replaceChildren();
  }

  async preview() {
    await this.owner.saveAll();
    const cards = this.owner.chosen();
    const said = { place: this.owner.place, keys: cards.map((card) => card.key), kind: this.kind.value };
    const told = await attempt(post("preview", { ...said, text: this.text.value, put: this.put.value, match_case: this.case.checked }));
    if (!told.ok) return void this.result.replaceChildren(make("p", "bad", { textContent: `${told.error}.` }));
    const { changes } = told;
    const rows = changes.slice(0, MOST_SHOWN).map(([key, before, after]) => this.row(key, before, after));
    const of = `of ${plural(cards.length, "caption")} ${this.owner.selected.size ? "that are selected" : "in view"}`;
    const head = make("p", "", { textContent: changes.length ? `${changes.length} ${of} change:` : `None ${of} would change.` });
    const more = changes.length > MOST_SHOWN ? [make("p", "", { textContent: `and ${changes.length - MOST_SHOWN} more` })] : [];
    const label = `Change ${plural(changes.length, "caption")}`;
    const does = make("button", "primary", { type: "button", textContent: label, onclick: () => this.make(changes) });
    this.result.replaceChildren(head, make("div", "rows", { tabIndex: 0 }, ...rows, ...more), ...(changes.length ? [does] : []));
  }

  row(key, before, after) {
    const name = this.owner.cards.get(key)?.image.name ?? key;
    const [left, gone, come, right] = difference(before, after);
    const old = make("del", "", { textContent: gone });
    const fresh = make("ins", "", { textContent: come });
    return make("div", "row", {}, make("span", "name", { textContent: name, title: name }), make("span", "", {}, left, old, fresh, right));
  }

  async make(changes) {
    this.result.replaceChildren(make("p", "", { textContent: `Changing ${plural(changes.length, "caption")} ...` }));
    const told = await attempt(post("change", { place: this.owner.place, changes }));
    if (!told.ok) return void this.result.replaceChildren(make("p", "bad", { textContent: `Not changed: ${told.error}.` }));
    this.forget();
    const left = told.left.length ? ` ${plural(told.left.length, "caption")} changed elsewhere meanwhile and left as they are.` : "";
    await this.owner.did(`${plural(told.changed, "caption")} changed.${left}`);
  }
}

/** What is the same on the left, what goes, what comes, what is the same on the right. */
function difference(before, after) {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  const cut = (text) => text.slice(start, text.length - end);
  return [before.slice(0, start), cut(before), cut(after), end ? before.slice(-end) : ""];
}

/** The answer, or an error that says why there is none. */
async function attempt(asked) {
  try {
    return await asked;
  } catch (error) {
    return { ok: false, error: `the server cannot be reached (${error.message})` };
  }
}
