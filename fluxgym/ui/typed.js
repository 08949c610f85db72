// st.text_area sends what is typed only when it loses the focus; here a pause is enough, as in st.text_input(live=True).
const PAUSE = 500; // ms

export default function () {
  const waiting = new Map(); // text area -> timer

  const send = (area) => {
    waiting.delete(area);
    // the keys on which Streamlit sends, as somebody would press them
    if (area.isConnected) area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
  };
  const typed = (event) => {
    const area = event.target;
    if (!area.matches("textarea")) return;
    clearTimeout(waiting.get(area));
    // a character that is being composed of several keys must not be cut off
    if (!event.isComposing) waiting.set(area, setTimeout(send, PAUSE, area));
  };

  document.addEventListener("input", typed);
  document.addEventListener("compositionend", typed);
  return () => {
    document.removeEventListener("input", typed);
    document.removeEventListener("compositionend", typed);
    waiting.forEach(clearTimeout);
  };
}
