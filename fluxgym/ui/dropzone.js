// Takes files into a data set: dropped or chosen, single ones, whole folders, zips. Several go at once, each is on disk when it is
// done; what is there already is not sent again. An upload goes on while other pages are looked at, and when the server is away it
// waits. It is over when its tab is reloaded: what arrived stays, and the page says how far it came.
const AT_ONCE = 3;
const AGAIN = [1000, 2000, 4000, 5000]; // ms until the next try, the last one for ever
const TOLD = 2500; // ms: as often the page counts anew while files arrive
const SMALL = 256 * 2 ** 20; // bytes: a larger file is not read to find whether it is there
const DESCRIBES = 16 * 2 ** 20; // bytes of a metadata.jsonl
const NAMED = 5; // files that are named in one line
const uploads = new Map(); // place -> Upload: other pages may be looked at meanwhile
const many = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));

function element(tag, className = "", properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function size(bytes) {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function span(seconds) {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} m`;
}

function address(path, asked = {}) {
  return new URL(`${path}?${new URLSearchParams(asked)}`, document.baseURI);
}

/** What is done and to be done for one data set. */
class Upload {
  constructor(place) {
    Object.assign(this, { place, views: new Set(), running: 0, isAway: false, isStopped: false });
    this.begin();
    this.broken = this.recall();
  }

  /** The numbers of what was dropped last. */
  begin() {
    Object.assign(this, { total: 0, done: 0, bytes: 0, sent: 0, since: 0, said: "" });
    Object.assign(this, { counts: {}, notes: [], refused: [], differing: [], planned: [] });
  }

  get isBusy() {
    return this.running > 0;
  }

  // ---- what a reload leaves --------------------------------------------------------------------------------------------
  get key() {
    return `fluxgym-upload:${this.place}`;
  }

  recall() {
    try {
      return JSON.parse(localStorage.getItem(this.key));
    } catch {
      return null; // a browser that keeps nothing
    }
  }

  remember() {
    try {
      if (this.isBusy) localStorage.setItem(this.key, JSON.stringify({ total: this.total, done: this.done }));
      else localStorage.removeItem(this.key);
    } catch {
      return; // as above
    }
  }

  // ---- what is to be sent ----------------------------------------------------------------------------------------------
  /** files: {path, file} of each. how: {replace: 1} or {beside: 1} for what is there with another content. */
  async add(files, how = {}) {
    if (!files.length) return;
    if (!this.isBusy) this.begin();
    this.isStopped = false;
    this.broken = null;
    this.running += 1;
    this.show();
    const told = await this.plan(files, how);
    if (told.error) this.said = `Nothing was taken: ${told.error}.`;
    const drop = {}; // what came together gets its names together
    const planned = (told.files ?? []).map((row, number) => ({ ...row, ...files[number], how, drop }));
    this.refused.push(...planned.map((job) => job.why).filter(Boolean));
    const captions = (told.captions ?? []).map(({ name, path, text }) => ({ name, path, file: new File([text], name), how, drop }));
    await this.run([...planned.filter((job) => job.name), ...captions]);
  }

  /** Images first: the caption of one that stays out must not become that of the one that is there. */
  async run(jobs) {
    this.planned.push(...jobs);
    this.total += jobs.length;
    this.bytes += jobs.reduce((sum, job) => sum + job.file.size, 0);
    this.since ||= performance.now();
    if (jobs.length) this.tell("began");
    await this.sendAll(jobs.filter((job) => !isAbout(job)));
    const isOut = (job) => this.differing.some((other) => other.job.drop === job.drop && stem(other.job) === stem(job));
    const rest = jobs.filter(isAbout);
    const left = rest.filter((job) => !this.isStopped && !job.how.replace && isOut(job));
    for (const job of left) {
      this.sent += job.file.size;
      this.take(job, { outcome: "differs", name: job.name });
    }
    await this.sendAll(rest.filter((job) => !left.includes(job)));
    this.running -= 1;
    if (!this.isBusy) this.end();
  }

  async sendAll(jobs) {
    const waiting = [...jobs];
    const work = async () => {
      while (waiting.length && !this.isStopped) {
        const job = waiting.shift();
        const told = await this.send(job);
        this.sent += job.file.size - (job.sent ?? 0);
        job.sent = job.file.size;
        if (told) this.take(job, told);
        this.remember();
        this.show();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async plan(files, how) {
    const isDescription = ({ path, file }) => /(^|\/)metadata\.jsonl$/.test(path) && file.size < DESCRIBES;
    const read = files.filter(isDescription).map(async ({ path, file }) => [path, await file.text()]);
    const described = await Promise.all(read).catch(() => []);
    const rows = files.map(({ path, file }) => [path, file.size]);
    const asked = { place: this.place, files: rows, described, beside: Boolean(how.beside) };
    for (let tries = 0; !this.isStopped; tries++) {
      const answer = await fetch(address("sets/plan"), { method: "POST", body: JSON.stringify(asked) }).catch(() => null);
      this.isAway = !answer;
      if (answer) return answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
      this.show();
      await wait(AGAIN[Math.min(tries, AGAIN.length - 1)]);
    }
    return {};
  }

  take(job, told) {
    this.done += 1;
    if (told.error) this.refused.push(told.error);
    this.refused.push(...(told.refused ?? []));
    for (const each of told.files ?? (told.outcome ? [told] : [])) {
      this.counts[each.outcome] = (this.counts[each.outcome] ?? 0) + 1;
      if (each.note) this.notes.push(each.note);
      if (each.outcome !== "differs") continue;
      this.differing.push({ ...each, job });
    }
    if (performance.now() - (this.toldAt ?? 0) > TOLD) this.tell("arrived");
  }

  // ---- one file ----------------------------------------------------------------------------------------------------------
  async send(job) {
    const asked = { place: this.place, name: job.name, path: job.path, ...job.how };
    const isSame = job.is_there && !job.name.endsWith(".zip") && (await this.compare(job, asked));
    if (isSame) return { outcome: "same" };
    for (let tries = 0; !this.isStopped; tries++) {
      const told = await this.post(job, address("sets/arrive", asked));
      this.isAway = !told;
      if (told) return told;
      if (!(await isReadable(job.file))) return { error: `${job.path} cannot be read any more` };
      this.show();
      await wait(AGAIN[Math.min(tries, AGAIN.length - 1)]);
    }
    return null;
  }

  /** Whether the very same file is there: then it is not sent. */
  async compare(job, asked) {
    if (!crypto.subtle || job.file.size > SMALL) return false; // without https or localhost there is none
    try {
      const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", await job.file.arrayBuffer()));
      const digest = [...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const answer = await fetch(address("sets/arrive", { ...asked, digest, size: job.file.size }), { method: "POST" });
      return answer.ok && (await answer.json()).outcome === "same";
    } catch {
      return false; // then it is sent
    }
  }

  /** What the server says of it, or nothing when it did not answer. */
  post(job, url) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest(); // fetch does not say how far it is
      this.requests = (this.requests ?? new Set()).add(request);
      request.open("POST", url);
      request.responseType = "json";
      request.upload.onprogress = (event) => {
        const sent = Math.min(event.loaded, job.file.size);
        this.sent += sent - (job.sent ?? 0);
        job.sent = sent;
        this.show();
      };
      request.onloadend = () => {
        this.requests.delete(request);
        const isGone = request.status === 0 || request.status >= 502;
        const isFull = request.status === 507 && request.response?.error;
        if (isFull) this.stop(`Stopped: the server cannot write it (${isFull}).`);
        if (isGone && request.status !== 507) resolve(null);
        else resolve(request.response ?? { error: `${job.path}: the server answered ${request.status}` });
      };
      request.send(job.file);
    });
  }

  stop(said = "Stopped. What arrived stays.") {
    this.isStopped = true;
    this.said = said;
    this.requests?.forEach((request) => request.abort());
  }

  end() {
    this.isAway = false;
    this.remember();
    this.tell("ended");
    this.show();
  }

  // ---- who is told -------------------------------------------------------------------------------------------------------
  tell(what) {
    this.toldAt = performance.now();
    for (const view of this.views) view.send?.("arrived", `${what} ${Date.now()}`);
  }

  show() {
    for (const view of this.views) view.draw();
  }

  /** What was left because something else is there, once more. */
  async replace() {
    const jobs = [...new Set(this.differing.map(({ job }) => job))];
    this.begin();
    this.isStopped = false;
    this.running += 1;
    await this.run(jobs.map((job) => ({ ...job, sent: 0, is_there: false, how: { replace: 1 } })));
  }

  /** With all that belongs to it: an image and its caption get a new name together. */
  async addBeside() {
    const { planned, differing } = this;
    const isOne = (job) => differing.some((other) => other.job.drop === job.drop && stem(other.job) === stem(job));
    const drops = Map.groupBy(planned.filter(isOne), (job) => job.drop);
    await Promise.all([...drops.values()].map((jobs) => this.add(jobs.map(({ path, file }) => ({ path, file })), { beside: 1 })));
  }

  forget() {
    this.begin();
    this.broken = null;
    this.remember();
    this.show();
  }
}

const isAbout = ({ name }) => /(\.txt|\.caption|-masklabel\.\w+)$/i.test(name);
const stem = ({ name }) => name.replace(/\.\w+$/, "").replace(/-masklabel$/, "");

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** The files of what was dropped, with the folders in which they lie. */
async function collect(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()).filter(Boolean);
  const found = [];
  const walk = async (entry, path) => {
    if (entry instanceof File) found.push({ path: entry.name, file: entry });
    else if (entry.isFile) found.push({ path: path + entry.name, file: await new Promise((yes, no) => entry.file(yes, no)) });
    else {
      const reader = entry.createReader();
      const read = () => new Promise((yes, no) => reader.readEntries(yes, no));
      for (let some = await read(); some.length; some = await read()) for (const each of some) await walk(each, `${path}${entry.name}/`);
    }
  };
  for (const entry of entries) await walk(entry, "").catch(() => null);
  return found;
}
