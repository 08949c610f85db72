// Where the lines of a log come from: a WebSocket that sends each as it is written, and HTTP every 5 s while there is none.
const POLL = 5000; // ms
const SILENT = 40_000; // ms after which a connection that says nothing is taken for dead; the server says something every 15 s
const RETRY = [500, 1000, 2000, 5000]; // ms before it tries again, each time it failed
const MARKS = {
  true: ["Live", "New lines come as they are written"],
  false: ["Every 5 s", "New lines come every 5 s; it tries to be live again"],
};
const ENDED = ["Ended", "The run has ended: nothing is written any more. Once it goes on, new lines come by themselves"];
const ARCHIVED = ["Archived", "The log of an earlier start: nothing is written into it any more"];

/** What is said of how new lines come, what that means, and whether they do. */
function markOf(isLive, problem, log, hasEnded) {
  if (problem && !isLive) return ["Not reachable", `It tries again every 5 s. ${problem}`, false];
  if (log.includes("-")) return [...ARCHIVED, false]; // only they are called by a date
  return hasEnded ? [...ENDED, false] : [...MARKS[isLive], isLive];
}

const address = (kind, run, log, query) =>
  new URL(`${kind}/${encodeURIComponent(run)}/${encodeURIComponent(log)}?${new URLSearchParams(query)}`, document.baseURI);

/** Answers of a run's log over HTTP. Throws where there is none. */
async function fetchLines(run, log, query) {
  const answer = await fetch(address("lines", run, log, query), { signal: AbortSignal.timeout(60_000) });
  if (!answer.ok) throw new Error(`${answer.status}: ${(await answer.text()).slice(0, 200)}`);
  return answer.json();
}

/** Follows one log for one query until close(). `last`: the line that is there already, {} for none. */
class LogSource {
  constructor({ run, log, query, last }, hear, change) {
    Object.assign(this, { run, log, query, last, hear, change, failures: 0, isLive: false, isClosed: false });
    this.timer = setInterval(() => this.poll(), POLL);
    this.connect();
  }

  get asked() {
    return { ...this.query, ...this.last };
  }

  connect() {
    if (this.isClosed) return;
    const url = address("live", this.run, this.log, this.asked);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    socket.onopen = () => this.listen();
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return; // it was taken for dead, and another one has its place
      this.failures = 0;
      this.setLive(true);
      this.listen();
      this.take(JSON.parse(data));
    };
    socket.onclose = () => this.socket === socket && this.lose();
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lose(), SILENT);
  }

  lose() {
    clearTimeout(this.silence);
    this.drop();
    if (this.isClosed) return;
    this.setLive(false);
    if (!this.failures) this.poll(); // at once, where only the WebSocket is not let through
    this.retry = setTimeout(() => this.connect(), RETRY[Math.min(this.failures++, RETRY.length - 1)]);
  }

  drop() {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
  }

  async poll() {
    if (this.isLive || this.isClosed || this.isPolling) return;
    this.isPolling = true;
    try {
      const told = await fetchLines(this.run, this.log, this.asked);
      if (this.isLive || this.isClosed) return;
      this.change(false);
      this.take(told);
    } catch (error) {
      if (!this.isLive && !this.isClosed) this.change(false, error.message); // the next one comes by itself
    } finally {
      this.isPolling = false;
    }
  }

  take(told) {
    if (!told.rows) return; // only a sign of life
    // an answer and a message that were under way at the same time may both have a line
    const rows = told.begin ? told.rows : told.rows.filter(([number]) => number > (this.last.after ?? 0));
    if (told.begin) this.last = {};
    if (told.check !== undefined) this.last = { after: told.rows.at(-1)[0], check: told.check };
    this.hear({ ...told, rows });
  }

  setLive(isLive) {
    if (this.isLive !== isLive) this.change((this.isLive = isLive));
  }

  close() {
    this.isClosed = true;
    clearInterval(this.timer);
    clearTimeout(this.silence);
    clearTimeout(this.retry);
    this.drop();
  }
}
