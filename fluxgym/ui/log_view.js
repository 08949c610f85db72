// The log panel (after log_lines.js, log_words.js, log_source.js): which log, level, search, jumps, and the lines, live. What is
// asked for is kept with the tab, how it looks with the browser; the page itself is never asked to be drawn again.
const MOST = 5000; // lines kept while somebody reads further up
const PAUSE = 200; // ms after the last key before it searches
const NEAR_END = 24; // px
const TYPES = { "/": "search", a: "attempt", e: "error", w: "warning", n: "match" };
const ATTEMPT = { level: "all", text: "=== Attempt ", case: 1 }; // how the supervisor begins one

class LogView {
  constructor(root, data) {
    this.root = root;
    this.run = data.run;
    this.kept = stored(sessionStorage, `fluxgym-log:${data.run}`, { ...KEPT, log: data.logs[0][0] });
    this.looks = stored(localStorage, "fluxgym-log", LOOKS);
    this.box = this.find(".lines");
    this.ranges = new WeakMap(); // line -> its marked ranges
    this.places = {}; // error, warning, match -> which of them was jumped to
    this.told = {};
    this.isFollowing = true;
    this.fresh = 0; // lines that came since it does not follow
    this.listen();
    this.setData(data);
    this.show();
    this.watch();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** What is asked of the server: with "only" the lines that fit, otherwise all. */
  get query() {
    const { level, text, only } = this.kept;
    return { ...this.wanted(level, only ? text : ""), lines: this.looks.lines };
  }

  wanted(level, text) {
    return { level, text, case: this.kept.case ? 1 : 0 };
  }

  // ---- what can be pressed ---------------------------------------------------------------------------------------
  listen() {
    const search = this.find(".search");
    this.find(".which").onchange = ({ target }) => this.keep({ log: target.value });
    this.find(".count").onchange = ({ target }) => this.look({ lines: target.value }, true);
    for (const pill of this.root.querySelectorAll("[data-level]")) pill.onclick = () => this.keep({ level: pill.dataset.level });
    for (const step of this.root.querySelectorAll("[data-jump]"))
      step.onclick = () => this.jump(step.dataset.jump, step.classList.contains("back"));
    search.oninput = () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.keep({}), PAUSE);
    };
    search.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (search.value !== this.kept.text) this.keep({});
      else this.jump("match", event.shiftKey);
    };
    this.find(".case").onclick = () => this.keep({ case: !this.kept.case });
    this.find(".only").onclick = () => this.keep({ only: !this.kept.only });
    this.find(".wrap").onclick = () => this.look({ wrap: !this.looks.wrap });
    this.find(".numbers").onclick = () => this.look({ numbers: !this.looks.numbers });
    this.find(".follow").onclick = () => (this.isFollowing ? this.release() : this.follow());
    this.find(".copy").onclick = () => this.copy();
    this.box.onscroll = () => this.scrolled();
    this.box.ondblclick = (event) => this.open(event);
    this.box.onkeydown = (event) => this.press(event);
  }

  press(event) {
    const kind = TYPES[event.key.toLowerCase()];
    if (!kind || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (kind === "search") this.find(".search").focus();
    else this.jump(kind, event.shiftKey);
  }

  keep(change) {
    clearTimeout(this.typing);
    Object.assign(this.kept, { text: this.find(".search").value }, change); // what was typed a moment ago counts too
    store(sessionStorage, `fluxgym-log:${this.run}`, this.kept);
    this.show();
  }

  look(change, isAsked = false) {
    Object.assign(this.looks, change);
    store(localStorage, "fluxgym-log", this.looks);
    if (isAsked) return this.show();
    const place = this.isFollowing ? null : this.lineInView();
    this.paint();
    if (place) this.box.scrollTop += place.line.getBoundingClientRect().top - place.top; // the same line stays under the eyes
    else this.toEnd();
  }

  // ---- which lines -----------------------------------------------------------------------------------------------
  setData({ logs, attempts, ended }) {
    Object.assign(this, { attempts, hasEnded: ended });
    this.tell();
    if (JSON.stringify(this.logs) === JSON.stringify(logs)) return;
    const isLeft = this.kept.log === this.logs?.[0][0] && this.kept.log !== logs[0][0]; // it was archived, or begins anew
    this.logs = logs;
    this.find(".which").replaceChildren(...optionsOf(logs));
    if (logs.some(([value]) => value === this.kept.log) && !isLeft) this.paint();
    else this.keep({ log: logs[0][0] });
  }

  /** Begins anew with what is asked for now. */
  show() {
    this.close();
    Object.assign(this, { told: {}, places: {}, fresh: 0, isFollowing: true, isExcerpt: false, current: null, isWaiting: true });
    this.find(".search").value = this.kept.text;
    this.paint();
    if (this.isSeen) this.begin();
  }

  begin() {
    const asked = { run: this.run, log: this.kept.log, query: this.query, last: this.source?.last ?? {} };
    this.source?.close();
    this.source = new LogSource(
      asked,
      (told) => this.hear(told),
      (isLive, problem) => this.mark(isLive, problem),
    );
  }

  /** Reads only while somebody can see it: in the tab in front, in a part of the page that is open. */
  watch() {
    const look = () => {
      const isSeen = this.box.offsetWidth > 0 && !document.hidden;
      if (isSeen === this.isSeen) return;
      this.isSeen = isSeen;
      if (isSeen) this.begin();
      else this.source?.close(); // it knows how far it came
      if (isSeen && this.isFollowing) this.toEnd();
    };
    this.resized = new ResizeObserver(() => {
      look();
      if (this.isFollowing) this.toEnd();
    });
    this.resized.observe(this.box);
    this.looked = look;
    document.addEventListener("visibilitychange", look);
    this.clock = setInterval(() => this.tell(), 1000);
    look();
  }

  close() {
    this.source?.close();
    this.source = undefined;
  }

  end() {
    this.close();
    this.clear();
    this.resized.disconnect();
    document.removeEventListener("visibilitychange", this.looked);
    clearInterval(this.clock);
    clearTimeout(this.typing);
  }

  hear(told) {
    this.isWaiting = !told.is_whole && !told.begin && !this.box.childElementCount;
    this.told = { ...told, heard: Date.now() };
    if (this.isExcerpt) {
      this.fresh += told.rows.length + (told.skipped ?? 0);
    } else {
      this.add(told);
    }
    this.tell();
  }

  add({ rows, rest, begin, skipped }) {
    const isStill = !this.isFollowing || isSelecting(this.box);
    if (begin) this.clear();
    if (this.rest) this.unmark(this.rest);
    this.rest?.remove();
    const lines = rows.map((row) => this.make(row));
    if (skipped) lines.unshift(this.note(`${plural(skipped, "line")} skipped: they came faster than they could be shown. The download has them.`));
    this.rest = rest ? this.make(rest) : null;
    this.box.append(...lines, ...(this.rest ? [this.rest] : []));
    if (begin || !isStill) this.trim(Number(this.looks.lines));
    else this.trim(MOST);
    if (begin) this.fresh = 0;
    else if (isStill) this.fresh += rows.length + (skipped ?? 0);
    if (!isStill) this.toEnd();
  }

  make([number, text, level]) {
    const line = makeLine(text, level, number);
    this.highlight(line);
    return line;
  }

  note(text) {
    const line = document.createElement("div");
    line.className = "note";
    line.textContent = text;
    return line;
  }

  clear() {
    [...this.box.children].forEach((line) => this.unmark(line)); // a range that stays costs at each change of the page
    this.rest = null;
    this.box.replaceChildren();
  }

  trim(most) {
    const surplus = this.box.childElementCount - most - (this.rest ? 1 : 0);
    for (let index = 0; index < surplus; index++) {
      this.unmark(this.box.firstChild);
      this.box.firstChild.remove();
    }
  }

  highlight(line) {
    const ranges = findRanges(line, this.kept.text, this.kept.case);
    if (!ranges.length || !window.Highlight) return;
    if (!CSS.highlights.has("fluxgym-found")) CSS.highlights.set("fluxgym-found", new Highlight());
    ranges.forEach((range) => CSS.highlights.get("fluxgym-found").add(range));
    this.ranges.set(line, ranges);
  }

  unmark(line) {
    for (const range of this.ranges.get(line) ?? []) CSS.highlights.get("fluxgym-found").delete(range);
  }

  // ---- where in them ---------------------------------------------------------------------------------------------
  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    const isBack = scrollTop < (this.lastTop ?? 0); // a box that only became higher is no person who scrolls
    this.lastTop = scrollTop;
    if (this.isExcerpt || isAtEnd === this.isFollowing || (!isAtEnd && !isBack)) return;
    if (isAtEnd) this.follow();
    else this.release();
  }

  release() {
    this.isFollowing = false;
    this.tell();
  }

  follow() {
    if (this.isExcerpt) return this.show();
    Object.assign(this, { isFollowing: true, fresh: 0 });
    this.trim(Number(this.looks.lines));
    this.toEnd();
    this.tell();
  }

  /** The line that somebody looks at: the one that was jumped to, or the first. */
  lineInView() {
    const { top, bottom } = this.box.getBoundingClientRect();
    const isSeen = (line) => line && line.getBoundingClientRect().bottom > top && line.getBoundingClientRect().top < bottom;
    const current = this.box.querySelector(".current");
    const line = isSeen(current) ? current : [...this.box.children].find(isSeen);
    return line && { line, top: line.getBoundingClientRect().top };
  }

  numberOf(line) {
    return Number((line?.dataset.number ?? "0").replaceAll(",", ""));
  }

  lineOf(number) {
    return this.box.querySelector(`[data-number="${count(number)}"]`);
  }

  /** Goes to the next error, warning or match, or to the one before; wherever in the log it is. */
  async jump(kind, isBack) {
    if (this.find(".search").value !== this.kept.text) this.keep({});
    const asked = { attempt: ATTEMPT, match: this.wanted(this.kept.level, this.kept.text) }[kind] ?? this.wanted(kind, "");
    if (kind === "match" && !this.kept.text) return;
    const from = this.current ?? (isBack ? Number.MAX_SAFE_INTEGER : 0);
    try {
      const found = await fetchLines(this.run, this.kept.log, { ...asked, [isBack ? "previous" : "next"]: from });
      if (!found.count) return;
      this.places = { [kind]: found };
      await this.goTo(found.number);
    } catch (error) {
      this.mark(this.source?.isLive, error.message);
    }
  }

  async goTo(number) {
    this.release();
    if (!this.lineOf(number)) await this.excerpt(number);
    this.current = number;
    this.box.querySelector(".current")?.classList.remove("current");
    const line = this.lineOf(number);
    line?.classList.add("current");
    line?.scrollIntoView({ block: "center" });
    this.lastTop = this.box.scrollTop;
    this.tell();
  }

  /** The lines around one, in place of the end of the log. */
  async excerpt(number) {
    const { rows } = await fetchLines(this.run, this.kept.log, { near: number });
    this.clear();
    this.box.append(...rows.map((row) => this.make(row)));
    Object.assign(this, { isExcerpt: true, isFollowing: false });
  }

  /** A line that was found, twice clicked, is shown among its neighbours. */
  async open(event) {
    const line = event.target.closest(".lines > div");
    const isFiltered = this.kept.level !== "all" || (this.kept.only && this.kept.text);
    if (!isFiltered || this.isExcerpt || !this.numberOf(line)) return;
    getSelection().removeAllRanges();
    try {
      await this.excerpt(this.numberOf(line));
      await this.goTo(this.numberOf(line));
    } catch (error) {
      this.mark(this.source?.isLive, error.message);
    }
  }

  async copy() {
    const button = this.find(".copy");
    const lines = [...this.box.children].map((line) => line.textContent.replace(/^\u200b$/, ""));
    button.textContent = await copyLines(lines.join("\n") + "\n", this.box);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  }

  // ---- what is said about it -------------------------------------------------------------------------------------
  mark(isLive, problem = "") {
    this.reached = [Boolean(isLive), problem];
    this.tell();
  }

  /** Everything but the lines as the choices say. */
  paint() {
    const { kept, looks } = this;
    this.find(".which").value = kept.log;
    this.find(".count").value = looks.lines;
    const press = (selector, isOn) => this.find(selector).setAttribute("aria-pressed", isOn);
    for (const level of ["all", "warning", "error"]) press(`[data-level=${level}]`, level === kept.level);
    press(".case", kept.case);
    press(".only", kept.only && Boolean(kept.text));
    this.find(".only").disabled = !kept.text;
    press(".wrap", looks.wrap);
    press(".numbers", looks.numbers);
    this.root.classList.toggle("wraps", looks.wrap);
    this.root.classList.toggle("numbered", looks.numbers);
    this.find(".download").href = address("log", this.run, kept.log, {});
    this.tell();
  }

  tell() {
    const { told, kept } = this;
    const [says, means, isLive] = this.reached ? markOf(...this.reached, kept.log, this.hasEnded) : ["", "", false];
    this.say(".mark", says); // read aloud when it changes
    this.find(".mark").title = means;
    this.find(".mark").classList.toggle("live", isLive);
    const place = (kind, of) => (this.places[kind] ? `${count(this.places[kind].place)} of ${count(of)}` : count(of));
    for (const kind of ["error", "warning"]) {
      const of = told[`${kind}s`] ?? 0;
      this.say(`.${kind}s`, place(kind, of));
      this.find(`.${kind}s`).classList.toggle("none", !of);
      for (const step of this.root.querySelectorAll(`[data-jump=${kind}]`)) step.disabled = !of;
    }
    this.find(".of-attempts").hidden = this.attempts < 2 || kept.log !== KEPT.log;
    this.say(".attempts", place("attempt", this.attempts));
    const match = this.places.match;
    const matches = match ? `${count(match.place)} of ${count(match.count)}` : kept.only && told.count !== undefined ? count(told.count) : "";
    this.say(".matches", kept.text ? matches : "");
    for (const step of this.root.querySelectorAll("[data-jump=match]")) step.disabled = !kept.text;
    const age = told.age == null ? "" : `, last line ${ageOf(told.age + (Date.now() - told.heard) / 1000)}`;
    const isThere = told.total !== undefined && (told.total || told.age != null);
    this.say(".told", isThere ? `${plural(told.total, "line")}, ${sizeOf(told.size)}${age}` : this.isWaiting ? "" : this.hasEnded ? "not there" : "not there yet");
    if (told.total !== undefined && !told.is_whole) this.say(".told", `Reading, ${plural(told.total, "line")} so far`);
    const isEmpty = !this.box.childElementCount && !this.isWaiting && told.is_whole;
    this.say(".empty", isEmpty ? (told.total ? "No line fits." : this.hasEnded ? "No lines." : "No lines yet.") : "");
    this.find(".follow").setAttribute("aria-pressed", this.isFollowing);
    const fresh = this.fresh ? `, ${count(this.fresh)} new` : "";
    this.say(".follow", this.isFollowing ? "Follow" : `Jump to end${fresh}`);
  }

  say(selector, text) {
    const element = this.find(selector);
    if (element.textContent !== text) element.textContent = text; // an element that is left alone keeps a selection in it
  }
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".fluxgym-log");
  root.style.height = `${data.height}px`;
  if (root.view?.run !== data.run) {
    root.view?.end();
    root.view = new LogView(root, data);
  } else {
    root.view.setData(data);
  }
  // called before each new call too: only who has left the page has ended
  return () => setTimeout(() => root.isConnected || root.view.end());
}
