// One image of a data set with its caption, which is kept as it is typed. It belongs to the image's key, wherever it is drawn.
const make = (tag, className, parts = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), { className, ...parts });
  node.append(...children);
  return node;
};
const PAUSE = 500; // ms without a key, then it is kept
const RETRY = 3000; // ms

/** Sends a deed of set_files.py. The answer has `ok`, and `error` where it could not be done. */
async function post(deed, said, keepalive = false) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(said), keepalive };
  const answer = await fetch(new URL(`sets/do/${deed}`, document.baseURI), options);
  const told = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  return { ...told, ok: answer.ok, status: answer.status };
}

class Card {
  constructor(owner, image) {
    Object.assign(this, { owner, key: image.key, kept: image.text, image, isSaving: false, isRefused: false });
    this.build();
    this.take(image, true);
  }

  build() {
    this.picture = make("img", "", { loading: "lazy", decoding: "async", alt: "" });
    this.picture.onerror = () => this.link.classList.add("broken");
    this.picture.onload = () => this.link.classList.remove("broken");
    this.link = make("a", "picture", { target: "_blank", rel: "noopener" }, this.picture);
    this.box = make("input", "", { type: "checkbox" });
    this.box.onchange = () => this.owner.select(this, this.box.checked);
    this.title = make("span", "name");
    this.size = make("span", "size");
    this.area = make("textarea", "", { rows: 4, spellcheck: true, maxLength: 10000 });
    this.area.oninput = () => this.wait();
    this.area.onblur = () => this.save();
    this.learned = make("small", "learned");
    this.note = make("small", "note", { role: "status" });
    const head = make("label", "head", {}, this.box, this.title, this.size);
    this.node = make("article", "card", {}, this.link, head, this.area, this.learned, this.note);
  }

  /** Takes what is on disk; what is being typed stays. */
  take(image, isFirst = false) {
    const isTyped = !isFirst && (this.isDirty || this.isSaving);
    this.image = image;
    this.link.href = image.url;
    const small = `${image.url}&small=1`;
    if (this.small !== small) this.picture.src = this.small = small;
    this.link.title = this.picture.alt = image.name;
    this.box.ariaLabel = `Select ${image.name}`;
    this.title.textContent = this.title.title = image.name;
    this.size.textContent = image.size ? `${image.size[0]}\u2009\u00d7\u2009${image.size[1]}` : "";
    this.size.classList.toggle("small", image.is_small || !image.size);
    this.area.ariaLabel = `Caption of ${image.name}`;
    this.area.readOnly = image.is_locked || !this.owner.isEditable;
    if (!isTyped) {
      if (isFirst || this.area.value.trim() !== image.text) this.area.value = image.text;
      this.kept = image.text;
      if (!this.isRefused) this.say(image.size ? image.note : "This image cannot be opened.", image.size ? "" : "bad");
    }
    this.area.placeholder = image.learned && !image.text ? `Learned as: ${image.learned}` : "What is to be seen";
    this.learned.textContent = image.learned && image.text ? `Learned as: ${image.learned}` : "";
  }

  get text() {
    return this.area.value.replaceAll("\r\n", "\n").trim();
  }

  get isDirty() {
    return this.text !== this.kept;
  }

  /** What is learned of it, which decides whether it has a caption and the trigger word. */
  get whole() {
    return this.isDirty || !this.image.learned ? this.text : this.image.learned;
  }

  wait() {
    this.isRefused = false;
    this.say("");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE);
    this.owner.count();
  }

  async save(isLeaving = false) {
    clearTimeout(this.timer);
    if (this.isSaving || this.isRefused || this.area.readOnly) return;
    this.isSaving = true;
    try {
      while (this.isDirty && !this.isRefused) await this.send(isLeaving);
    } catch {
      this.say("Not kept yet: the server cannot be reached. It is tried again.", "bad");
      this.timer = setTimeout(() => this.save(), RETRY);
    } finally {
      this.isSaving = false;
    }
    this.owner.count();
  }

  async send(isLeaving) {
    const text = this.text;
    const told = await post("caption", { place: this.owner.place, key: this.key, text, before: this.kept }, isLeaving);
    if (told.ok) {
      this.kept = told.text;
      this.image = { ...this.image, text: told.text, learned: "" };
      this.learned.textContent = "";
      this.say("Saved", "good");
      this.owner.changed();
    } else if (told.status === 409) this.ask(told.text);
    else if (told.status >= 500 && told.status !== 507) throw new Error(told.error);
    else {
      this.isRefused = true;
      this.say(`Not kept: ${told.error}.`, "bad");
    }
  }

  /** Somebody else, or the model that writes captions, was here meanwhile. */
  ask(other) {
    this.isRefused = true;
    const choose = (text) => {
      Object.assign(this, { kept: other, isRefused: false });
      this.area.value = text;
      this.say("");
      this.save();
    };
    const button = (label, text) => make("button", "", { type: "button", textContent: label, onclick: () => choose(text) });
    this.say(`Changed elsewhere to \u201c${other || "nothing"}\u201d.`, "bad", button("Take that", other), button("Keep mine", this.area.value));
  }

  say(text, kind = "", ...more) {
    this.note.className = `note ${kind}`;
    this.note.replaceChildren(text, ...more);
  }
}
