// Asks every few seconds whether this browser may still see what it shows, and says so where nobody answers.
const url = new URL("alive", document.baseURI);
const PATIENCE = 4000; // ms; what hangs longer is taken for lost, as after a laptop slept
const AGAIN = 1000; // ms until a second try: a single request that is lost says nothing

export default function ({ parentElement: box, data }) {
  const note = box.querySelector(".fluxgym-away");
  let timer, isOver = false, answered = Date.now();

  const tell = (isAway) => {
    if (isAway === note.matches(":popover-open")) return;
    const time = new Date(answered).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    note.querySelector("b").textContent = `No connection to FluxGym since ${time}.`;
    isAway ? note.showPopover() : note.hidePopover(); // above all else, also above what Streamlit says then
  };

  const ask = async (isSecond) => {
    const options = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) };
    const answer = await fetch(url, options).catch(() => null);
    if (isOver) return;
    if ([401, 403, 404].includes(answer?.status)) location.reload();
    const isThere = answer?.status < 500; // a proxy answers 502 where the server behind it does not
    if (isThere) answered = Date.now();
    if (isThere || isSecond) tell(!isThere);
    timer = setTimeout(ask, isThere || isSecond ? data.every : AGAIN, !isThere);
  };

  timer = setTimeout(ask, data.every, false);
  return () => {
    isOver = true;
    clearTimeout(timer);
    tell(false);
  };
}
