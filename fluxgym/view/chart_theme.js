// What depends on the theme of the page in a figure of plotly: themed(figure, box) changes the figure for where it is drawn.
const LIGHTER = { "#0072B2": "#56B4E9", "#D55E00": "#E69F00", "#009E73": "#2FC79A" }; // on a dark page, of Okabe and Ito too
const RAISED = 2.2; // times, a line that is faint on a light page

const luminance = (colour) => {
  const [red, green, blue] = (colour.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue;
};

function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (!/, 0\)$|transparent/.test(colour)) return colour;
  }
  return "#FFFFFF";
}

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
  layout.paper_bgcolor = ground(box); // plotly draws the line at the pointer on a strip of this colour, and so a saved picture
  layout.xaxis = { ...layout.xaxis, spikecolor: ink(0.5), spikethickness: 1, spikedash: "dot" };
  for (const bars of figure.data.filter((trace) => trace.text && trace.type === "bar"))
    bars.insidetextfont = { color: bars.marker.opacity.map((opacity) => (opacity < 0.5 ? text : dark ? "#10181C" : "#FFFFFF")) };
  if (dark) {
    for (const trace of figure.data) {
      if (trace.opacity < 0.5) trace.opacity *= RAISED;
      for (const part of [trace.line, trace.marker]) if (part?.color in LIGHTER) part.color = LIGHTER[part.color];
    }
  }
  return figure;
}
