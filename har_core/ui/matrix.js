// Draws a matrix of actions by actions and says which cell is chosen; everything else is Python's.
// `data`: {stamp, chosen: [true, predicted] | null, labels: [name], kind: "confusion" | "shift",
//   unit: "counts" | "rows" | "columns", said, cells: [[row, column, clips, per cent, strength 0..1]]}.
// State `picked`: {stamp, cell: [true, predicted] | null}.
const LARGE = 16; // as many actions have cells that a finger hits
const MEDIUM = 40;

// One state for each place on a page: Streamlit calls the function below anew whenever the data changes.
const states = new WeakMap();

function heading(text, scope) {
  const made = element("th", scope === "col" ? "column" : "row");
  made.scope = scope;
  made.title = text;
  made.append(element("span", "", text));
  return made;
}

// What a cell holds, in words; the same for the line below the matrix and for a screen reader.
function words(data, row, column, cell) {
  const truth = data.labels[row], said = data.labels[column], right = row === column;
  if (data.kind === "shift") {
    const many = cell ? cell[2] : 0;
    const what = right ? `${truth} recognised` : `${truth} taken for ${said}`;
    return many === 0 ? `${what}: as often` : `${what}: ${Math.abs(many)} ${many > 0 ? "more" : "fewer"}`;
  }
  const clips = cell ? cell[2] : 0;
  const share = cell ? `, ${cell[3]}% of ${data.unit === "columns" ? `what is called ${said}` : `all ${truth}`}` : "";
  const many = `${clips} clip${clips === 1 ? "" : "s"}`;
  return right ? `${truth}: ${many} recognised${share}` : `${truth} taken for ${said}: ${many}${share}`;
}

function table(data, cells) {
  const made = element("table", "matrix");
  made.setAttribute("role", "grid");
  made.setAttribute("aria-label", data.said);
  const size = data.labels.length <= LARGE ? "large" : data.labels.length <= MEDIUM ? "medium" : "small";
  made.classList.add(size);
  const head = element("thead"), first = element("tr"), corner = element("td", "corner");
  corner.append(element("span", "", "true ↓  predicted →"));
  first.append(corner, ...data.labels.map((name) => heading(name, "col")));
  head.append(first);
  const body = element("tbody");
  data.labels.forEach((name, row) => {
    const line = element("tr");
    line.append(heading(name, "row"));
    data.labels.forEach((_, column) => {
      const cell = cells.get(row * data.labels.length + column);
      const box = element("td", row === column ? "right" : "wrong");
      if (cell) {
        const shift = data.kind === "shift";
        const better = shift ? (cell[2] > 0) === (row === column) : row === column;
        box.classList.add(better ? "good" : "bad", "full");
        // The eye sees small shares better when they are not drawn in proportion.
        const strength = Math.max(0.1, shift ? cell[4] : Math.pow(cell[4], 0.7));
        box.style.setProperty("--strength", `${Math.round(100 * strength)}%`);
        if (strength > 0.55) box.classList.add("strong");
        const percent = !shift && data.unit !== "counts";
        const text = shift ? (cell[2] > 0 ? `+${cell[2]}` : `−${-cell[2]}`)
          : percent ? (size === "large" ? `${cell[3]}%` : `${cell[3]}`) : `${cell[2]}`;
        box.textContent = text;
        if (text.length > 2) box.classList.add("long");
      }
      box.tabIndex = -1;
      box.dataset.row = row;
      box.dataset.column = column;
      line.append(box);
    });
    body.append(line);
  });
  made.append(head, body);
  return made;
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let state = states.get(parentElement);
  if (!state) {
    state = { stamp: undefined, chosen: null, drawn: "", cells: new Map(), at: [0, 0] };
    states.set(parentElement, state);
  }
  const scroll = parentElement.querySelector(".scroll"), told = parentElement.querySelector(".told");
  const number = data.labels.length;
  if (data.stamp !== state.stamp) {
    state.stamp = data.stamp;
    state.chosen = data.chosen;
  }
  const signature = JSON.stringify([data.labels, data.kind, data.unit, data.cells]);
  if (signature !== state.drawn) {
    state.drawn = signature;
    state.cells = new Map(data.cells.map((cell) => [cell[0] * number + cell[1], cell]));
    const { scrollLeft, scrollTop } = scroll;
    scroll.replaceChildren(table(data, state.cells));
    Object.assign(scroll, { scrollLeft, scrollTop });
    state.at = [Math.min(state.at[0], number - 1), Math.min(state.at[1], number - 1)];
  }
  const rows = scroll.querySelector("tbody").rows;
  const at = (row, column) => rows[row].cells[column + 1];
  const place = (name) => data.labels.indexOf(name);

  function hint(row, column) {
    told.textContent = row === undefined ? "Choose a cell to see its clips." : words(data, row, column, state.cells.get(row * number + column));
  }

  function cross(row, column) {
    for (const marked of scroll.querySelectorAll(".here")) marked.classList.remove("here");
    if (row === undefined) return;
    rows[row].cells[0].classList.add("here");
    scroll.querySelector("thead").rows[0].cells[column + 1].classList.add("here");
  }

  function show() {
    for (const marked of scroll.querySelectorAll('[aria-selected="true"]')) marked.removeAttribute("aria-selected");
    for (const stop of scroll.querySelectorAll('td[tabindex="0"]')) stop.tabIndex = -1;
    let [row, column] = state.at;
    if (state.chosen && place(state.chosen[0]) >= 0 && place(state.chosen[1]) >= 0) {
      [row, column] = state.chosen.map(place);
      at(row, column).setAttribute("aria-selected", "true");
      hint(row, column);
      cross(row, column);
    } else {
      hint();
      cross();
    }
    state.at = [row, column];
    at(row, column).tabIndex = 0; // one stop of the Tab key for the whole matrix
  }

  function choose(row, column) {
    const cell = [data.labels[row], data.labels[column]];
    const again = state.chosen && state.chosen[0] === cell[0] && state.chosen[1] === cell[1];
    if (!again && !state.cells.has(row * number + column)) return hint(row, column);
    state.chosen = again ? null : cell;
    state.at = [row, column];
    show();
    setStateValue("picked", { stamp: state.stamp, cell: state.chosen });
  }

  function move(row, column) {
    row = Math.max(0, Math.min(number - 1, row));
    column = Math.max(0, Math.min(number - 1, column));
    at(...state.at).tabIndex = -1;
    state.at = [row, column];
    const box = at(row, column);
    box.tabIndex = 0;
    box.focus();
    box.scrollIntoView({ block: "nearest", inline: "nearest" });
    hint(row, column);
    cross(row, column);
  }

  const found = (event) => {
    const box = event.target.closest("td[data-row]");
    return box ? [Number(box.dataset.row), Number(box.dataset.column)] : null;
  };
  scroll.onclick = (event) => {
    const where = found(event);
    if (where) choose(...where);
  };
  scroll.onpointerover = (event) => {
    const where = found(event);
    if (!where) return;
    hint(...where);
    cross(...where);
  };
  scroll.onpointerleave = () => {
    if (state.chosen) {
      hint(...state.chosen.map(place));
      cross(...state.chosen.map(place));
    } else {
      hint();
      cross();
    }
  };
  scroll.onkeydown = (event) => {
    const where = found(event);
    if (!where) return;
    const [row, column] = where;
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key in steps) move(row + steps[event.key][0], column + steps[event.key][1]);
    else if (event.key === "Home") move(event.ctrlKey ? 0 : row, 0);
    else if (event.key === "End") move(event.ctrlKey ? number - 1 : row, number - 1);
    else if (event.key === "PageUp") move(row - 10, column);
    else if (event.key === "PageDown") move(row + 10, column);
    else if (event.key === "Enter" || event.key === " ") choose(row, column);
    else if (event.key === "Escape" && state.chosen) choose(...state.chosen.map(place));
    else return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
  };
  show();
}
