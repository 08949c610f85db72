// How one line of a log looks, and how a search is marked in it. What a log says is text, never markup.
const TOKEN = /(^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)|(\|[^|]*\|)|\b((?:avr_)?loss=)([\w.+-]+)|(\b\d+%)/g;

/** The element of one line. `level` is error, warning or nothing; `number` counts from 1, 0 where it is not known. */
function makeLine(text, level, number = 0) {
  const line = document.createElement("div");
  if (/^=== .* ===$/.test(text)) line.className = "attempt";
  else if (level === "error" || level === "warning") line.className = level;
  if (number) line.dataset.number = number.toLocaleString("en-US");
  let last = 0;
  const add = (value, kind) => {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = value;
    line.append(span);
  };
  for (const match of line.className ? [] : text.matchAll(TOKEN)) {
    line.append(text.slice(last, match.index));
    if (match[1]) add(match[1], "time");
    else if (match[2]) add(match[2], "bar");
    else if (match[3]) line.append(match[3]), add(match[4], "loss");
    else add(match[5], "percent");
    last = match.index + match[0].length;
  }
  line.append(text.slice(last) || (last ? "" : "\u200b")); // an empty line keeps its height
  return line;
}

/** The places of `wanted` in a line, as ranges: marked by the browser's highlights, its elements stay as they are. */
function findRanges(line, wanted, isCaseSensitive) {
  const fold = (text) => (isCaseSensitive ? text : text.toLowerCase());
  const whole = line.textContent;
  const text = fold(whole);
  if (!wanted || text.length !== whole.length) return []; // lower case of other length: the places would be wrong
  const nodes = [];
  const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
  for (let start = 0; walker.nextNode(); start += walker.currentNode.length) nodes.push([start, walker.currentNode]);
  const ranges = [];
  const needle = fold(wanted);
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) {
    const range = new Range();
    const end = at + needle.length;
    const first = nodes.findLast(([start]) => start <= at);
    const last = nodes.findLast(([start]) => start < end);
    range.setStart(first[1], at - first[0]);
    range.setEnd(last[1], end - last[0]);
    ranges.push(range);
  }
  return ranges;
}

/** Whether somebody has selected something in an element. */
function isSelecting(element) {
  const selection = getSelection();
  return !selection.isCollapsed && element.contains(selection.anchorNode);
}

/** Copies lines; without https or localhost there is no clipboard, and they are selected instead. Says what it did. */
async function copyLines(text, element) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    getSelection().selectAllChildren(element);
    return "Selected";
  }
}
