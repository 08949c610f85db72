// Draws a plotly figure into the component's box, and again when data, width or theme change. The figure is in data.figure, or
// it is fetched from data.url: the server sends what changed since the last answer, for all charts of that address at once.
const library = () =>
  (window.fluxgymPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("vendor/plotly.min.js", document.baseURI);
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.fluxgymPlotly = undefined; // the next refresh tries again
      reject(new Error("plotly.min.js could not be loaded"));
    };
    document.head.append(script);
  }));

const NOTE = 20, HEAD = 28; // px, the line of text below a figure, or the one above it with its title
const AGAIN = 3000; // ms until an address that did not answer is asked again
const PATIENCE = 20000; // ms: a connection that broke off without a word would hold up all that come after

// what the server sent, by address without its query: every view of a run has most of its lists in common with the others
const feeds = (window.fluxgymFeeds ??= new Map());

function ask(url, version) {
  const address = new URL(url, document.baseURI);
  const feed = feeds.get(address.pathname) ?? { name: "", frame: null, lists: [], last: Promise.resolve() };
  feeds.set(address.pathname, feed);
  const wanted = `${address.search} ${version}`;
  if (feed.wanted !== wanted) {
    feed.wanted = wanted;
    feed.last = feed.last.catch(() => {}).then(() => load(feed, address)); // one after the other: each builds on the last
    feed.last.catch(() => (feed.wanted = ""));
  }
  return feed.last.then(() => feed);
}

async function load(feed, address) {
  address.searchParams.set("has", feed.name);
  const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const said = await answer.json();
  feed.name = said.name;
  feed.frame = said.frame ?? feed.frame;
  for (const [number, [kept, more]] of Object.entries(said.lists)) {
    feed.lists[number] = (feed.lists[number] ?? []).slice(0, kept).concat(more); // a new list: plotly sees that it changed
  }
}

function whole(value, lists) {
  if (Array.isArray(value)) return value.map((each) => whole(each, lists));
  if (value === null || typeof value !== "object") return value;
  if ("list" in value) return lists[value.list];
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, whole(each, lists)]));
}

async function find(data) {
  if (data.figure) return JSON.parse(data.figure);
  const feed = await ask(data.url, data.version);
  return whole(feed.frame[data.chart], feed.lists);
}

function say(box, note) {
  const [head, below] = [box.previousElementSibling, box.nextElementSibling];
  (head.hidden ? below : head.lastElementChild).textContent = note;
}

function complain(box, error) {
  if (box.layout) return say(box, `Not up to date: ${error.message}.`); // the last figure stays
  box.classList.add("said");
  box.textContent = `The chart cannot be drawn: ${error.message}. It is tried again.`;
}

async function draw(box) {
  const wanted = box.wanted;
  clearTimeout(box.again);
  try {
    const [plotly, figure] = await Promise.all([library(), find(wanted)]);
    if (!box.isConnected || wanted !== box.wanted) return;
    const { data, layout } = themed(figure, box);
    const modeBarButtons = [["zoom2d", "pan2d", "resetScale2d", "toImage"]];
    // without a pointer that hovers the buttons would always be there, over the legend; and a finger on a chart scrolls the page
    const isTouched = matchMedia("(pointer: coarse)").matches;
    const displayModeBar = isTouched ? false : "hover";
    if (isTouched) layout.dragmode = false;
    if (box.classList.contains("said")) box.classList.remove("said"), box.replaceChildren();
    box.width = box.offsetWidth;
    await plotly.react(box, data, layout, { displaylogo: false, responsive: false, displayModeBar, modeBarButtons });
    say(box, layout.meta?.note ?? "");
  } catch (error) {
    if (!box.isConnected || wanted !== box.wanted) return;
    complain(box, error);
    box.again = setTimeout(() => box.isConnected && draw(box), AGAIN);
  }
}

export default function ({ parentElement, data }) {
  const box = parentElement.querySelector(".chart");
  const [head, below] = [box.previousElementSibling, box.nextElementSibling];
  box.wanted = data;
  head.firstElementChild.textContent = data.title ?? "";
  [head.hidden, below.hidden] = [!data.title, !!data.title];
  box.style.height = `${data.height - (data.title ? HEAD : NOTE)}px`;
  box.setAttribute("aria-label", data.alt);
  if (box.offsetWidth) draw(box); // in a closed expander it has no size, and asks for nothing

  const resized = new ResizeObserver(() => {
    if (!box.offsetWidth || box.offsetWidth === box.width) return;
    box.width = box.offsetWidth;
    if (box.layout) window.Plotly.Plots.resize(box);
    else draw(box);
  });
  resized.observe(box);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => setTimeout(() => draw(box), 300); // after the page itself has changed
  scheme.addEventListener("change", repaint);
  return () => {
    resized.disconnect();
    clearTimeout(box.again);
    scheme.removeEventListener("change", repaint);
  };
}
