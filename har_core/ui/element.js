// Makes an element of the page; each component has this before its own script (see scripts.py).
function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text; // never innerHTML: names are the user's
  return made;
}
