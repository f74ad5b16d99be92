// Draws one page of cards and says which clips are selected; everything else is Python's.
// `data`: {stamp, selected: [id], cards: [{id, action, name, time, part, colour, flags, strip, aspect, why, doubt, dim}]}.
// State `picked`: {stamp, ids: [id], last: id}. The last one plays beside the grid.
const PLAY = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 1.5v13l11-6.5z"/></svg>';
const TICK = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M3 8.5l3.5 3.5L13 4.5"/></svg>';
const BOX = 4 / 3;

// One state for each place on a page: Streamlit calls the function below anew whenever the data changes.
const states = new WeakMap();

function picture(card) {
  const box = element("div", "picture");
  if (card.strip) {
    const film = element("div", "film");
    const landscape = card.aspect >= 1;
    // A wide picture fills the box; of an upright one nobody's head may be cut off.
    const fills = landscape ? card.aspect >= BOX : card.aspect < BOX;
    const share = fills ? card.aspect / BOX : BOX / card.aspect;
    film.style.width = fills ? `${100 * share}%` : "100%";
    film.style.height = fills ? "100%" : `${100 * share}%`;
    film.style.backgroundImage = `url(${card.strip})`;
    film.style.backgroundSize = "500% 100%";
    box.append(film);
  } else {
    box.append(element("div", "nothing", card.why || ""));
  }
  const marks = element("div", "marks");
  if (card.part) {
    const part = element("span", "pill", card.part);
    part.style.background = card.colour;
    marks.append(part);
  }
  for (const flag of card.flags) marks.append(element("span", "pill flag", flag));
  box.append(marks);
  if (card.time) box.append(element("span", "pill time", card.time));
  const tick = element("span", "tick");
  tick.innerHTML = TICK;
  box.append(tick);
  return box;
}

function drawn(card) {
  const made = element("div", "card");
  made.dataset.id = card.id;
  made.setAttribute("role", "option");
  made.setAttribute("aria-label", [card.action, card.name, card.time, card.part, ...card.flags].filter(Boolean).join(", "));
  made.title = card.id;
  made.tabIndex = -1;
  if (card.dim) made.classList.add("dim");
  if (!card.strip && !card.why) made.classList.add("waiting");
  const box = picture(card);
  if (card.strip) {
    const play = element("button", "play");
    play.tabIndex = -1; // Enter does the same
    play.setAttribute("aria-hidden", "true");
    play.innerHTML = PLAY;
    box.append(play);
  }
  const words = element("div", "words");
  words.append(element("div", "action", card.action), element("div", "name", card.name));
  if (card.doubt) words.append(element("div", "doubt", card.doubt));
  made.append(box, words);
  return made;
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let state = states.get(parentElement);
  if (!state) {
    state = { stamp: undefined, selected: new Set(), anchor: null, last: null, timer: 0, drawn: "" };
    states.set(parentElement, state);
  }
  const grid = parentElement.querySelector(".grid");
  if (data.stamp !== state.stamp) {
    state.stamp = data.stamp;
    state.selected = new Set(data.selected);
    state.last = data.selected.length ? data.selected[data.selected.length - 1] : null;
    state.anchor = state.last;
  }
  const ids = data.cards.map((card) => card.id);
  const signature = JSON.stringify(data.cards);
  if (signature !== state.drawn) {
    const focused = grid.getRootNode().activeElement?.dataset?.id;
    grid.replaceChildren(...data.cards.map(drawn));
    state.drawn = signature;
    if (focused) [...grid.children].find((card) => card.dataset.id === focused)?.focus({ preventScroll: true });
  }
  const cards = [...grid.children];

  function show() {
    const entry = ids.includes(state.last) ? state.last : ids[0];
    for (const card of cards) {
      card.setAttribute("aria-selected", String(state.selected.has(card.dataset.id)));
      card.tabIndex = card.dataset.id === entry ? 0 : -1; // one stop of the Tab key for the whole grid
    }
  }

  function say(now) {
    show();
    clearTimeout(state.timer);
    const told = { stamp: state.stamp, ids: [...state.selected], last: state.last };
    // Keys held down run over many cards: Python is told when they rest.
    state.timer = setTimeout(() => setStateValue("picked", told), now ? 0 : 160);
  }

  // `quiet`: what is looked at closely stays, for on a phone it stands above the cards and would push them away.
  function select(id, { add = false, range = false, quiet = false } = {}, now = true) {
    const from = ids.indexOf(state.anchor);
    if (range && from >= 0) {
      const to = ids.indexOf(id);
      if (!add) state.selected = new Set([...state.selected].filter((kept) => !ids.includes(kept)));
      for (const one of ids.slice(Math.min(from, to), Math.max(from, to) + 1)) state.selected.add(one);
    } else if (add) {
      if (!state.selected.delete(id)) state.selected.add(id);
      state.anchor = id;
    } else {
      const alone = state.selected.size === 1 && state.selected.has(id);
      state.selected = alone && now ? new Set() : new Set([id]);
      state.anchor = id;
    }
    if (quiet) state.last = state.selected.has(state.last) ? state.last : null;
    else state.last = state.selected.has(id) ? id : [...state.selected].pop() ?? null;
    say(now);
  }

  function open(id) {
    state.selected = new Set([id]);
    state.anchor = state.last = id;
    say(true);
    // On a phone the player stands above the grid.
    document.querySelector(".st-key-close")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  function move(to, event) {
    const card = cards[Math.max(0, Math.min(cards.length - 1, to))];
    if (!card) return;
    card.focus();
    if (event.shiftKey) select(card.dataset.id, { range: true, add: event.ctrlKey || event.metaKey }, false);
    else if (!(event.ctrlKey || event.metaKey)) select(card.dataset.id, {}, false);
  }

  grid.onclick = (event) => {
    const card = event.target.closest(".card");
    if (!card) return;
    card.focus({ preventScroll: true });
    if (event.target.closest(".play")) open(card.dataset.id);
    // The second click of a double click must not take the selection back.
    else if (event.detail < 2) {
      const tick = Boolean(event.target.closest(".tick"));
      select(card.dataset.id, { add: event.ctrlKey || event.metaKey || tick, range: event.shiftKey, quiet: tick });
    }
  };
  grid.ondblclick = (event) => {
    const card = event.target.closest(".card");
    if (card && !event.target.closest(".play, .tick")) open(card.dataset.id);
  };
  grid.onkeydown = (event) => {
    const at = cards.findIndex((card) => card === event.target.closest(".card"));
    if (at < 0) return;
    const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    if (event.key in steps) {
      const to = at + steps[event.key];
      if (to >= 0 && to < cards.length) move(to, event);
    } else if (event.key === "Home") move(0, event);
    else if (event.key === "End") move(cards.length - 1, event);
    else if (event.key === " ") select(ids[at], { add: true });
    else if (event.key === "Enter") open(ids[at]);
    else if (event.key === "Escape") { state.selected = new Set(); state.last = null; say(true); }
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
      for (const id of ids) state.selected.add(id);
      state.last = ids[at];
      say(true);
    } else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
  };
  show();
}
