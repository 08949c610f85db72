// Numbers as the pages write them (fluxgym/view/words.py), and choices that a browser keeps.
const KEPT = { log: "training", level: "all", text: "", case: false, only: true };
const LOOKS = { lines: "100", wrap: false, numbers: false };

const stored = (store, key, preset) => {
  try {
    return { ...preset, ...JSON.parse(store.getItem(key)) };
  } catch {
    return { ...preset }; // a store that is forbidden, or holds what is no JSON
  }
};
const store = (place, key, value) => {
  try {
    place.setItem(key, JSON.stringify(value));
  } catch {
    // a browser that lets nothing be kept: it works until a reload
  }
};
const count = (number) => number.toLocaleString("en-US");
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

function sizeOf(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; bytes >= 1023.95 && unit < units.length - 1; unit++) bytes /= 1024;
  return `${bytes.toFixed(unit < 2 ? 0 : 1)} ${units[unit]}`;
}

function ageOf(seconds) {
  const [unit, name] = [[86400, "d"], [3600, "h"], [60, "m"]].find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(Math.max(0, seconds) / unit)} ${name} ago`;
}

/** Options to choose a log by; once there are archived ones, each monitor's apart from the trainings'. */
function optionsOf(logs) {
  const make = (some) => some.map(([value, title]) => new Option(title, value));
  if (logs.length <= 2) return make(logs);
  return ["training", "monitor"].map((kind) => {
    const group = document.createElement("optgroup");
    group.label = { training: "Training", monitor: "Monitor" }[kind];
    group.append(...make(logs.filter(([value]) => value.endsWith(kind))));
    return group;
  });
}
