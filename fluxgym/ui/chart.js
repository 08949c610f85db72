// Draws the figure in data.figure (plotly's JSON) into the component's box, and again when data, width or theme change.
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

const LIGHTER = { "#0072B2": "#56B4E9", "#D55E00": "#E69F00" }; // on a dark page; both pairs are of Okabe and Ito
const RAISED = 2.2; // times, a line that is faint on a light page

const luminance = (colour) => {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue;
};

function themed(figure, box) {
  const text = getComputedStyle(box).color;
  const [red, green, blue] = text.match(/[\d.]+/g) ?? [0, 0, 0];
  const ink = (opacity) => `rgba(${red}, ${green}, ${blue}, ${opacity})`;
  const dark = luminance(text) > 128;
  const layout = figure.layout;
  layout.font = { ...layout.font, color: ink(0.75), family: getComputedStyle(box).fontFamily };
  layout.hoverlabel = { bgcolor: dark ? "#1A2021" : "#FFFFFF", bordercolor: ink(0.2), font: { color: text } };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: ink(0.4), activecolor: text };
  layout.autosize = true;
  if (dark) {
    for (const trace of figure.data) {
      if (trace.opacity < 0.5) trace.opacity *= RAISED;
      for (const part of [trace.line, trace.marker]) if (part?.color in LIGHTER) part.color = LIGHTER[part.color];
    }
  }
  return figure;
}

async function draw(box) {
  try {
    const plotly = await library();
    if (!box.isConnected) return;
    const { data, layout } = themed(JSON.parse(box.figure), box);
    const modeBarButtons = [["zoom2d", "pan2d", "resetScale2d", "toImage"]];
    // without a pointer that hovers the buttons would always be there, over the legend
    const displayModeBar = matchMedia("(pointer: coarse)").matches ? false : "hover";
    await plotly.react(box, data, layout, { displaylogo: false, responsive: false, displayModeBar, modeBarButtons });
  } catch (error) {
    box.textContent = `The chart cannot be drawn: ${error.message}`;
  }
}

export default function ({ parentElement, data }) {
  const box = parentElement.querySelector(".chart");
  box.figure = data.figure;
  box.style.height = `${data.height}px`;
  box.setAttribute("aria-label", data.alt);
  draw(box);

  const resized = new ResizeObserver(() => box.layout && box.offsetWidth && window.Plotly.Plots.resize(box));
  resized.observe(box);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => setTimeout(() => draw(box), 300); // after the page itself has changed
  scheme.addEventListener("change", repaint);
  return () => {
    resized.disconnect();
    scheme.removeEventListener("change", repaint);
  };
}
