// What is seen of an upload: the place to drop files on, how far it is, what became of them.
class View {
  constructor(root) {
    this.root = root;
    const choose = (label, properties) => {
      const input = element("input", "", { type: "file", multiple: true, hidden: true, ...properties });
      input.onchange = () => {
        this.upload.add([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
        input.value = "";
      };
      const button = element("button", "", { type: "button", textContent: label, onclick: () => input.click() });
      return [button, input];
    };
    this.buttons = [...choose("Choose files", {}), ...choose("Choose a folder", { webkitdirectory: true })];
    this.where = element("span", "where");
    const words = element("div", "words", {}, element("strong", "", { textContent: "Drop images here" }), this.where);
    this.zone = element("div", "zone", {}, words, element("div", "does", {}, ...this.buttons));
    this.bar = element("progress", "", { max: 1, ariaLabel: "Upload" });
    this.far = element("span", "far", { role: "status" });
    this.stops = element("button", "", { type: "button", textContent: "Stop", onclick: () => this.upload.stop() });
    this.going = element("div", "going", {}, this.bar, this.far, this.stops);
    this.told = element("div", "told", { role: "status" });
    root.replaceChildren(this.zone, this.going, this.told);
    this.listen();
  }

  listen() {
    const over = (is) => (event) => {
      event.preventDefault();
      this.zone.classList.toggle("over", is && !this.isOff);
    };
    this.zone.ondragenter = this.zone.ondragover = over(true);
    this.zone.ondragleave = over(false);
    this.zone.ondrop = async (event) => {
      over(false)(event);
      if (!this.isOff) this.upload.add(await collect(event.dataTransfer.items));
    };
  }

  use({ target: place, where }) {
    if (this.place !== place) {
      this.upload?.views.delete(this);
      this.place = place;
      this.upload = uploads.get(place) ?? new Upload(place);
      uploads.set(place, this.upload);
    }
    this.upload.views.add(this);
    this.isOff = !place;
    this.zone.classList.toggle("off", this.isOff);
    for (const button of this.buttons) button.disabled = this.isOff;
    this.where.textContent = where;
    this.draw();
  }

  leave() {
    this.upload.views.delete(this);
  }

  draw() {
    const { upload } = this;
    this.going.hidden = !upload.isBusy;
    if (upload.isBusy) {
      this.bar.value = upload.bytes ? upload.sent / upload.bytes : 0;
      this.far.textContent = this.tellFar();
    }
    const parts = [...this.tellBroken(), ...(upload.isBusy ? [] : this.tellEnd()), ...this.tellRefused()];
    const state = parts.map((part) => part.textContent).join("\n");
    if (state !== this.state) this.told.replaceChildren(...parts); // what somebody has unfolded stays so
    this.state = state;
    this.told.hidden = !parts.length;
  }

  tellFar() {
    const { upload } = this;
    if (upload.isAway) return `${upload.done.toLocaleString("en")} of ${many(upload.total, "file")}. The server does not answer, it is tried again.`;
    if (!upload.total) return "Looking at what is there already ...";
    const speed = upload.sent / Math.max((performance.now() - upload.since) / 1000, 0.1);
    const left = speed ? (upload.bytes - upload.sent) / speed : 0;
    const far = `${upload.done.toLocaleString("en")} of ${many(upload.total, "file")}`;
    return upload.sent < upload.bytes ? `${far}, ${size(speed)}/s, about ${span(left)} left` : `${far}, looked at by the server ...`;
  }

  tellBroken() {
    const { upload } = this;
    if (!upload.broken || upload.isBusy) return [];
    const said = `An upload broke off: ${upload.broken.done.toLocaleString("en")} of ${many(upload.broken.total, "file")} arrived. Drop them again, and only the rest is sent.`;
    return [this.line("warns", said, this.button("Dismiss", () => upload.forget()))];
  }

  tellEnd() {
    const { upload } = this;
    const { added = 0, same = 0, replaced = 0 } = upload.counts;
    const said = [
      upload.said,
      added ? `${many(added, "file")} added.` : "",
      replaced ? `${many(replaced, "file")} replaced.` : "",
      same ? `${many(same, "file")} ${same === 1 ? "was" : "were"} here already.` : "",
    ].filter(Boolean);
    const lines = said.length ? [this.line("", said.join(" "))] : [];
    if (upload.notes.length) lines.push(this.list("", `${many(upload.notes.length, "remark")}`, upload.notes));
    return [...lines, ...this.tellDiffering()];
  }

  /** What a person decides: a file of this name is there, and it is not the same. */
  tellDiffering() {
    const { upload } = this;
    const count = upload.differing.length;
    if (!count) return [];
    const named = upload.differing.slice(0, NAMED).map(({ name }) => name).join(", ") + (count > NAMED ? " ..." : "");
    const said = `${many(count, "file")} left out, something else is here under ${count === 1 ? "this name" : "these names"}: ${named}`;
    const replaces = this.button("Replace", () => upload.replace());
    return [this.line("warns", said, replaces, this.button("Add beside", () => upload.addBeside()))];
  }

  tellRefused() {
    const { refused } = this.upload;
    return refused.length ? [this.list("bad", `${many(refused.length, "file")} not taken`, refused)] : [];
  }

  line(kind, said, ...buttons) {
    return element("p", kind, {}, element("span", "", { textContent: said }), ...buttons);
  }

  list(kind, said, rows) {
    if (rows.length === 1) return this.line(kind, rows[0]); // it begins with the name of a file
    const shown = rows.slice(0, 200).map((row) => element("li", "", { textContent: row }));
    return element("details", kind, { open: rows.length <= NAMED }, element("summary", "", { textContent: said }), element("ul", "", {}, ...shown));
  }

  button(label, onclick) {
    return element("button", "", { type: "button", textContent: label, onclick });
  }
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".fluxgym-drop");
  const view = (root.view ??= new View(root));
  view.send = setTriggerValue;
  view.use(data);
  const warn = (event) => view.upload.isBusy && event.preventDefault();
  // beside the zone a dropped file would be opened in place of the page
  const keep = (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault();
  addEventListener("beforeunload", warn);
  addEventListener("dragover", keep);
  addEventListener("drop", keep);
  return () => {
    removeEventListener("beforeunload", warn);
    removeEventListener("dragover", keep);
    removeEventListener("drop", keep);
    view.leave();
  };
}
