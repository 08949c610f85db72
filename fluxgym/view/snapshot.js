// The script of a frozen run: draws its charts in the theme of the reader, and shows a sample in full size. It loads nothing.
const figures = JSON.parse(document.getElementById("figures").textContent);
const PAPER = 660; // px, the width of a chart that is printed
const chosen = { axis: "step", isLog: false };

function draw(box, figure) {
  const { data, layout } = themed(structuredClone(figure), box);
  const isTouched = matchMedia("(pointer: coarse)").matches; // a finger on a chart scrolls the page
  if (isTouched) layout.dragmode = false;
  const displayModeBar = isTouched ? false : "hover";
  const modeBarButtons = [["zoom2d", "pan2d", "resetScale2d"]];
  box.width = box.offsetWidth;
  Plotly.react(box, data, layout, { displaylogo: false, responsive: false, displayModeBar, modeBarButtons });
  box.nextElementSibling.textContent = layout.meta?.note ?? "";
}

function drawAll() {
  draw(document.getElementById("loss"), figures.loss[chosen.axis][Number(chosen.isLog)]);
  draw(document.getElementById("epochs"), figures.epochs);
}

function offerChoices() {
  const choices = document.querySelector(".choices");
  const buttons = [...choices.querySelectorAll("button")];
  choices.hidden = false;
  for (const button of buttons)
    button.onclick = () => {
      chosen.axis = button.dataset.axis;
      for (const each of buttons) each.ariaPressed = String(each === button);
      drawAll();
    };
  const box = document.getElementById("log");
  box.checked = false; // a browser may remember it of the time before
  box.onchange = () => ((chosen.isLog = box.checked), drawAll());
}

function openSamples() {
  const rows = [...document.querySelectorAll(".table .row:not(.head)")];
  const grid = {
    columns: [...document.querySelectorAll(".table .label")].map((label) => label.textContent),
    rows: rows.map((row) => ({
      prompt: row.querySelector(".prompt > span").textContent,
      seed: row.querySelector("small").textContent.replace("seed ", "") || null,
      cells: [...row.querySelectorAll(".cell")].map((cell) => (cell.firstChild ? `${cell.firstChild.src}#` : null)), // "#": see small
    })),
  };
  rows.forEach((row, index) => {
    for (const cell of row.querySelectorAll("button.cell"))
      cell.onclick = () => (openViewer(grid, index, Number(cell.dataset.column)).whole.remove());
  });
}

/** Paper is white, and as wide as it is. */
function print(isPrinting) {
  document.documentElement.classList.toggle("printing", isPrinting);
  for (const box of document.querySelectorAll(".chart")) box.style.width = isPrinting ? `${PAPER}px` : "";
  drawAll();
}

drawAll();
offerChoices();
openSamples();
for (const log of document.querySelectorAll("pre.log")) log.scrollTop = log.scrollHeight;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
addEventListener("beforeprint", () => print(true));
addEventListener("afterprint", () => print(false));
const resized = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.offsetWidth !== target.width) (target.width = target.offsetWidth), Plotly.Plots.resize(target);
});
for (const box of document.querySelectorAll(".chart")) resized.observe(box);
