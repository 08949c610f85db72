// An address in full with a button that copies it, on phones one that hands it to another app, and its QR code.

/** Without https or localhost there is no clipboard: then the text is selected, and copied as people did before. */
async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    getSelection().selectAllChildren(node);
    return document.execCommand("copy") ? "Copied" : "Selected";
  }
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".fluxgym-link");
  const address = root.querySelector(".address");
  const [copies, sends] = root.querySelectorAll("button");
  address.textContent = data.url;
  root.querySelector(".code").innerHTML = data.svg; // ours: black and white squares, no text
  copies.onclick = async () => {
    copies.textContent = await copy(data.url, address);
    setTimeout(() => (copies.textContent = "Copy"), 1500);
  };
  sends.hidden = !(navigator.share && matchMedia("(pointer:coarse)").matches);
  sends.onclick = () => navigator.share({ title: data.title, url: data.url }).catch(() => sends.blur()); // somebody thought better of it
}
