// Buttons on the finished views of a kernel. The kernel says which view has which commands; a click puts the command
// into a cell of its own below and runs it, so that what a button does is what can be typed. Nothing here is saved.

const SETTLE_MS = 150;
const GONE = new Set(["restarting", "autorestarting", "terminating", "dead"]);

function button(label, title, click) { return node("button", { type: "button", title, onclick: click }, label); }

async function copy(pressed, text) {
  const label = pressed.textContent;
  try { await navigator.clipboard.writeText(text); pressed.textContent = "Copied"; }
  catch { pressed.textContent = "Not allowed"; }
  setTimeout(() => { pressed.textContent = label; }, 1200);
}

// The notebook around the views.

/** Open the folds around the step that a link of the answer leads to: JupyterLab scrolls to it, and opens nothing. */
function unfold(event) {
  const link = event.target.closest?.('[data-answer] a[href^="#"]');
  const target = link && document.getElementById(link.getAttribute("href").slice(1));
  for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

/** The notebook's model, where the front end gives it; JupyterLab and Notebook do. */
function notebookOf(model) {
  const manager = model.widget_manager, context = manager?.context ?? manager?._context;
  return context?.model?.sharedModel?.insertCell ? context.model : null;
}

function html(output) { return [output?.data?.["text/html"] ?? ""].flat().join(""); }

/** The cell whose output is the view of that place, and its number. */
function cellOf(notebook, place) {
  for (let i = 0; notebook && i < notebook.cells.length; i += 1) {
    const cell = notebook.cells.get(i);
    for (let k = 0; k < (cell.outputs?.length ?? 0); k += 1) if (html(cell.outputs.get(k)).includes(`data-agentloop="${place}"`)) return { cell, i };
  }
  return null;
}

/** Add a cell with the command below the view, after those that its buttons added before; return its model. */
function addBelow(notebook, view, source) {
  const found = cellOf(notebook, view.place), added = (view.added ??= new Set());
  if (!found) return null;
  let at = found.i + 1;
  while (at < notebook.cells.length && added.has(notebook.cells.get(at).id)) at += 1;
  notebook.sharedModel.insertCell(at, { cell_type: "code", source, metadata: {}, outputs: [], execution_count: null });
  const cell = notebook.cells.get(at);
  if (cell?.sharedModel.getSource() !== source) return null;
  added.add(cell.id);
  return cell;
}

/** Run a cell as the notebook would: what the kernel says goes into its outputs. */
function run(kernel, cell) {
  const places = new Map(), outputs = cell.outputs;
  cell.trusted = true;
  cell.executionState = "running";
  const future = kernel.requestExecute(
    { code: cell.sharedModel.getSource(), store_history: true, stop_on_error: true, allow_stdin: true }, false, { cellId: cell.id });
  future.onStdin = (message) => {
    if (message.header.msg_type !== "input_request") return;
    kernel.sendInputReply({ status: "ok", value: window.prompt(message.content.prompt) ?? "" }, message.header);
  };
  future.onIOPub = ({ header: { msg_type: kind }, content }) => {
    const { transient, ...rest } = content, id = transient?.display_id;
    if (kind === "execute_input") cell.executionCount = content.execution_count;
    else if (kind === "clear_output") { outputs.clear(content.wait); places.clear(); }
    else if (kind === "update_display_data") for (const i of places.get(id) ?? []) outputs.set(i, { output_type: "display_data", ...rest });
    else if (["stream", "display_data", "execute_result", "error"].includes(kind)) {
      outputs.add({ output_type: kind, ...rest });
      if (id) places.set(id, [...(places.get(id) ?? []), outputs.length - 1]);
    }
  };
  future.done.catch(() => {}).finally(() => { cell.executionState = "idle"; });
}

/** Do what the command says, and show it; where the notebook cannot be reached the command is there to copy. */
function perform(model, view, bar, command) {
  const notebook = notebookOf(model);
  let cell = null;
  try { cell = addBelow(notebook, view, command); } catch { /* another front end: the command is shown instead */ }
  if (!cell) return tell(bar, "Type this in a cell below: ", command, true);
  tell(bar, "In the cell below: ", command, false);
  try { run(model.widget_manager.kernel, cell); } catch { tell(bar, "Run the cell below: ", command, false); }
  bar.root.closest(".jp-Cell")?.nextElementSibling?.scrollIntoView?.({ block: "nearest" });
}

function tell(bar, said, command, copied) {
  bar.told.replaceChildren(said, node("code", {}, command));
  if (copied) bar.told.append(" ", button("Copy", "Copy the command", (event) => copy(event.currentTarget, command)));
}

// The bar.

function word(text) { return /^[\w./-]+$/.test(text) ? text : `"${text.replaceAll('"', "")}"`; }

/** The command with the values that were typed; null while one is missing. */
function typed(offer, inputs) {
  const parts = [offer.command];
  for (const [i, field] of offer.fields.entries()) {
    const value = inputs[i].value.replace(/\s+/g, " ").trim().replace(field.kind === "note" ? /^["']+|["']+$/g : /^\$/, "");
    if (!value && field.needed) return null;
    if (value) parts.push(...[field.flag, field.kind === "word" ? word(value) : value].filter(Boolean));
  }
  return parts.join(" ");
}

function createForm(bar, offer, done) {
  const inputs = offer.fields.map((field) => {
    const whole = field.kind === "whole";
    const made = node("input", { type: whole ? "number" : "text", min: whole ? "1" : null, inputmode: field.kind === "dollars" ? "decimal" : null, dir: "auto", oninput: () => show() });
    made.value = field.value;
    return made;
  });
  const preview = node("code"), missing = node("span"), go = node("button", { type: "submit", class: "agl-go" }, offer.label);
  const labels = offer.fields.map((field, i) => node("label", { class: ["note", "word"].includes(field.kind) ? "agl-wide" : null }, field.label, inputs[i]));
  const form = node("form", { "aria-label": `${offer.label}: ${offer.does}`, onsubmit: (event) => {
    event.preventDefault();
    const command = typed(offer, inputs);
    if (command === null) inputs.find((input, i) => offer.fields[i].needed && !input.value.trim())?.focus();
    else done(command);
  }, onkeydown: (event) => { if (event.key === "Escape") done(null); } },
  node("p", {}, `To ${offer.does}:`), node("div", { class: "agl-row" }, ...labels, go, button("Cancel", "Esc", () => done(null))), node("p", {}, preview, missing));
  function show() {
    const command = typed(offer, inputs);
    preview.textContent = command ?? offer.command;
    missing.textContent = command === null ? " … what is missing?" : "";
  }
  show();
  bar.form.replaceChildren(form);
  (inputs.find((input) => !input.value) ?? inputs[0]).focus();
  return inputs;
}

function createBar(model, view, root) {
  const bar = { root, form: node("div"), told: node("p", { role: "status" }) };
  const row = node("div", { class: "agl-row" });
  const press = (pressed, offer, values = {}) => {
    const again = pressed.getAttribute("aria-expanded") === "true";
    const close = () => { bar.form.replaceChildren(); for (const each of row.children) each.removeAttribute("aria-expanded"); };
    close();
    if (again) return;
    if (!offer.fields.length) { perform(model, view, bar, offer.command); return; }
    pressed.setAttribute("aria-expanded", "true");
    const fields = offer.fields.map((field) => ({ ...field, value: values[field.flag] ?? field.value }));
    createForm(bar, { ...offer, fields }, (command) => { close(); if (command) perform(model, view, bar, command); else pressed.focus(); });
  };
  const answer = root.querySelector(":scope > [data-answer]");
  if (answer) row.append(button("Copy", "Copy the answer", (event) => copy(event.currentTarget, answerOf(model, view, answer))));
  for (const offer of view.commands) {
    const made = button(offer.label, `${offer.does}: ${offer.command}`, (event) => press(event.currentTarget, offer));
    made.dataset.offer = offer.label;
    row.append(made);
  }
  bar.next = node("div", { class: "agl-next", role: "group", "aria-label": "Go on from here", "data-lm-suppress-shortcuts": "true", onkeydown: (event) => event.stopPropagation() }, row, bar.form, bar.told);
  bar.fork = (n) => {
    const pressed = row.querySelector('[data-offer="Fork"]'), offer = view.commands.find((each) => each.label === "Fork");
    pressed.removeAttribute("aria-expanded");
    press(pressed, offer, { "--at": `${n}` });
    bar.next.scrollIntoView({ block: "nearest" });
  };
  return bar;
}

/** The answer as it was written: an output of the cell for readers that strip HTML has it; else as it is shown. */
function answerOf(model, view, shown) {
  const cell = cellOf(notebookOf(model), view.place)?.cell;
  for (let k = 0; k < (cell?.outputs?.length ?? 0); k += 1) {
    const data = cell.outputs.get(k).data ?? {};
    if (data["text/markdown"] && data["text/plain"]) return [data["text/plain"]].flat().join("");
  }
  return shown.innerText;
}

/** An opened step has its own buttons: its code to copy, and another way from there. */
function addStepTools(view, bar, details) {
  const body = details.querySelector(":scope > div"), code = body?.querySelector(":scope > pre[data-code]");
  if (!body || body.querySelector(":scope > .agl-step")) return;
  const tools = node("div", { class: "agl-step", onkeydown: (event) => event.stopPropagation() });
  if (code) tools.append(button("Copy code", `Copy the code of step ${details.dataset.n}`, (event) => copy(event.currentTarget, code.textContent)));
  const last = view.commands.find((each) => each.label === "Fork")?.fields[0].value;
  if (Number(details.dataset.n) <= Number(last))
    tools.append(button("Fork from here", `Try a different approach after step ${details.dataset.n}`, () => bar.fork(details.dataset.n)));
  if (tools.children.length) body.prepend(tools);
}

function mount(model, view, root) {
  const bar = createBar(model, view, root), steps = [...root.children].find((each) => each.querySelector(":scope > details"));
  const lines = root.querySelector(":scope > [data-lines]");
  root.insertBefore(bar.next, steps ?? null);
  if (lines) lines.hidden = true;
  const open = (event) => { if (event.target.open && event.target.dataset.n) addStepTools(view, bar, event.target); };
  root.addEventListener("toggle", open, true);
  root.addEventListener("click", unfold, true);
  for (const details of root.querySelectorAll("details[data-n][open]")) addStepTools(view, bar, details);
  return () => {
    root.removeEventListener("toggle", open, true);
    root.removeEventListener("click", unfold, true);
    bar.next.remove();
    for (const tools of root.querySelectorAll(".agl-step")) tools.remove();
    if (lines) lines.hidden = false;
  };
}

// All views of a kernel that this page shows.

function watch(model) {
  const mounted = new Map();
  let views = new Map(), waiting = null, gone = false;
  const unmount = (root) => { mounted.get(root)?.away(); mounted.delete(root); };
  const look = () => {
    waiting = null;
    for (const root of mounted.keys()) if (!root.isConnected || gone || views.get(root.dataset.agentloop) !== mounted.get(root).view) unmount(root);
    if (gone || !views.size) return;
    for (const root of document.querySelectorAll(".agentloop-run[data-agentloop]")) {
      const view = views.get(root.dataset.agentloop), notebook = notebookOf(model);
      if (!view || mounted.has(root) || (notebook && !cellOf(notebook, view.place))) continue;
      mounted.set(root, { view, away: mount(model, view, root) });
    }
  };
  const soon = () => { waiting ??= setTimeout(look, SETTLE_MS); };
  const observer = new MutationObserver(soon);
  const take = () => {
    const said = model.get("views") ?? [];
    views = new Map(said.map((view) => [view.place, { ...view, added: views.get(view.place)?.added ?? new Set() }]));
    soon();
  };
  const status = (_kernel, now) => { if (GONE.has(now)) { gone = true; soon(); } };
  model.on("change:views", take);
  model.widget_manager?.kernel?.statusChanged?.connect(status);
  observer.observe(document.body, { childList: true, subtree: true });
  take();
  return () => { gone = true; observer.disconnect(); clearTimeout(waiting); look(); };
}

export default () => ({ initialize({ model }) { return watch(model); }, render() {} });
