// The live panel of a run. The kernel sends deltas (see board.py); this file folds them into a store and patches the page.
// Text goes in as text. Only what Python rendered and sanitised (lines and `html` of output blocks) goes in as HTML.

const HELLO_MS = 400;
const NO_ANSWER_MS = 1500;
const LEFT_MS = 2000;
const FOLDED_LINES = 24;
const GROUP = 25;
const SIGNS = { done: "✓", failed: "✗", refused: "⊘", stopped: "■", cut: "…", waiting: "?", awaited: "…" };
const BUSY = new Set(["thinking", "writing", "decided", "running"]);
const TITLES = { thinking: "Thinking…", awaited: "The agent's next call", writing: "Writing…" };
const GONE = new Set(["restarting", "autorestarting", "terminating", "dead"]);
const STATE_WORDS = {
  done: "done", failed: "failed", refused: "refused", stopped: "stopped", cut: "cut off", waiting: "waiting for you",
  thinking: "thinking", awaited: "waiting for the agent", writing: "writing", decided: "decided", running: "running",
};

// The store: one a model, shared by its views, alive as long as the page.

function createStore(model) {
  const store = { header: {}, cards: new Map(), seq: -1, skew: 0, opened: new Map(), views: new Set(), greeted: false, acked: new Set() };

  store.reset = (board) => {
    if (!board || board.seq < store.seq) return;
    store.seq = board.seq;
    store.skew = Date.now() / 1000 - board.now;
    store.header = { ...board.header };
    store.cards = new Map(board.cards.map((card) => [card.n, { ...card, out: [...(card.out || [])] }]));
    for (const view of store.views) view.redraw();
    ended();
  };

  store.apply = (delta) => {
    if (delta.seq <= store.seq) return;
    if (delta.seq > store.seq + 1) return hello();
    store.seq = delta.seq;
    store.skew = Date.now() / 1000 - delta.now;
    Object.assign(store.header, delta.header);
    for (const change of delta.cards) fold(store, change);
    for (const view of store.views) view.patch(delta);
    ended();
  };

  /** Once the run is over, see whether this page was told of it. */
  function ended() {
    if (store.over || (store.header.status ?? "running") === "running") return;
    store.over = true;
    setTimeout(() => reclaim(model, store, 0), LEFT_MS);
  }

  function hello() { model.send({ op: "hello", seq: store.seq }); }

  function greet(tries) {
    if (store.greeted || tries > 25) return;
    hello();
    setTimeout(() => greet(tries + 1), HELLO_MS);
  }

  model.on("change:board", () => store.reset(model.get("board")));
  model.on("msg:custom", (message) => {
    if (message.op === "delta") store.apply(message);
    else if (message.op === "hi") { store.greeted = true; store.id = message.id; }
    else if (message.op === "all") { store.greeted = true; store.id = message.id; store.reset(message.board); }
    else if (message.op === "left") putLeft(model, store.id, message.outputs);
    else if (message.op === "cells") insertCells(model, message);
    else if (message.op === "ack") for (const view of store.views) view.acknowledged(message.what);
    if (message.op === "ack") store.acked.add(message.what);
  });
  model.widget_manager?.kernel?.statusChanged?.connect((_kernel, status) => {
    if (GONE.has(status) && store.header.status === "running") bury(store);
  });
  store.reset(model.get("board"));
  greet(0);
  return store;
}

/** The output of the notebook that is the panel itself. */
function outputOf(model, id) {
  const manager = model.widget_manager, cells = (manager?.context ?? manager?._context)?.model?.cells;
  for (let i = 0; id && i < (cells?.length ?? 0); i += 1) {
    const outputs = cells.get(i).outputs;
    for (let k = 0; k < (outputs?.length ?? 0); k += 1)
      if (outputs.get(k).data?.["application/vnd.jupyter.widget-view+json"]?.model_id === id) return { outputs, k };
  }
  return null;
}

/** A page that was reloaded during the run is not told what it left: ask while the notebook still holds the panel. */
function reclaim(model, store, tries) {
  if (tries > 60 || !outputOf(model, store.id)) return;
  model.send({ op: "left" });
  setTimeout(() => reclaim(model, store, tries + 1), LEFT_MS);
}

/** Put what a run left where its panel stands; where that is done, nothing happens. */
function putLeft(model, id, bundles) {
  const found = outputOf(model, id);
  if (!found) return;
  const [view, ...below] = bundles.map((data) => ({ output_type: "display_data", data, metadata: {} }));
  found.outputs.set(found.k, view);
  for (const output of below) found.outputs.add(output);
}

/** Add cells below a cell, in one step of undo; no cell that is there is touched. Says how many were added. */
function insertCells(model, { token, after, cells }) {
  let count = 0;
  try {
    const manager = model.widget_manager, shared = (manager.context ?? manager._context).model.sharedModel;
    const place = shared.cells.findIndex((cell) => cell.id === after);
    const made = cells.map((cell) => (cell.cell_type === "code" ? { ...cell, outputs: [], execution_count: null } : cell));
    if (place >= 0) { shared.insertCells(place + 1, made); count = made.length; }
  } catch { count = 0; }
  model.send({ op: "cells", token, count });
}

/** Say that the kernel is gone; from here on nobody else can. */
function bury(store) {
  Object.assign(store.header, { status: "interrupted", label: "interrupted", wait: null, paused: false,
    elapsed: Date.now() / 1000 - store.skew - store.header.began,
    reason: "Its kernel died or was restarted. %agent show brings back what was recorded, %agent resume goes on." });
  for (const card of store.cards.values()) if (BUSY.has(card.state) || card.state === "waiting" || card.state === "awaited") Object.assign(card, { state: "cut", ask: null });
  for (const view of store.views) view.redraw();
}

function fold(store, change) {
  const card = store.cards.get(change.n) || { n: change.n, out: [] };
  store.cards.set(change.n, card);
  Object.assign(card, change.set);
  for (const [key, more] of Object.entries(change.add || {})) card[key] = (card[key] || "") + more;
  for (const patch of change.out || []) {
    if (patch.set) card.out[patch.i] = patch.set;
    else {
      const block = card.out[patch.i];
      card.out[patch.i] = { ...block, head: block.head.concat(patch.more), skipped: patch.skipped, tail: patch.tail };
    }
  }
  if ("length" in change) card.out.length = change.length;
}

// Small helpers.

function setText(element, text) { if (element.textContent !== text) element.textContent = text; }

/** Prose of a model: what stands in back-ticks is code. */
function setProse(element, text) {
  if (element.dataset.said === text) return;
  element.dataset.said = text;
  element.replaceChildren(...text.split(/`([^`\n]+)`/).map((part, i) => (i % 2 ? node("code", {}, part) : part)).filter(Boolean));
}

function seconds(value) {
  if (value < 10) return `${Math.max(value, 0).toFixed(1)} s`;
  if (value < 60) return `${Math.round(value)} s`;
  const minutes = Math.floor(value / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(value % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const PYTHON = new RegExp(
  [
    /(?<comment>#[^\n]*)/,
    /(?<string>[rbfuRBFU]{0,2}(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?))/,
    /(?<meta>(?<=^|\n)[ \t]*(?:@[\w.]+|%{1,2}\w+|![^\n]*))/,
    /(?<def>(?<=\b(?:def|class)\s+)\w+)/,
    /(?<keyword>\b(?:and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)\b)/,
    /(?<atom>\b(?:True|False|None|self|cls)\b)/,
    /(?<builtin>\b(?:abs|all|any|bool|dict|display|enumerate|filter|float|format|getattr|int|isinstance|len|list|map|max|min|next|open|print|range|repr|reversed|round|set|setattr|sorted|str|sum|super|tuple|type|zip)\b(?=\())/,
    /(?<number>\b\d[\w.]*)/,
  ].map((part) => part.source).join("|"),
  "g",
);

function highlight(code, lang) {
  const made = document.createDocumentFragment();
  if (lang !== "python" || code.length > 20000) { made.append(code); return made; }
  let at = 0;
  for (const found of code.matchAll(PYTHON)) {
    made.append(code.slice(at, found.index));
    const kind = Object.keys(found.groups).find((name) => found.groups[name] !== undefined);
    const token = node("span", { class: `agl-t-${kind}` });
    token.textContent = found[0];
    made.append(token);
    at = found.index + found[0].length;
  }
  made.append(code.slice(at));
  return made;
}

// A card.

function createCard(view, n) {
  const part = {};
  const root = node("details", { class: "agl-card", "data-n": n },
    node("summary", { dir: "auto" },
      part.sign = node("span", { class: "agl-sign" }), part.icon = node("span", { class: "agl-icon", "aria-hidden": "true" }),
      part.number = node("span", { class: "agl-number" }), part.title = node("span", { class: "agl-title" }),
      part.hint = node("span", { class: "agl-hint" }), part.meta = node("span", { class: "agl-meta" })),
    part.body = node("div", { class: "agl-body" },
      part.quiet = node("div", { class: "agl-quiet" }), part.reasoning = node("div", { class: "agl-reasoning", dir: "auto" }),
      part.thoughts = node("div", { class: "agl-thoughts" }),
      part.code = node("div", { class: "agl-code" }), part.ask = node("div", { class: "agl-ask" }),
      part.out = node("div", { class: "agl-out" }), part.error = node("div", { class: "agl-error" }),
      part.chips = node("div", { class: "agl-chips" })));
  setText(part.number, n ? `${n}` : "");
  root.querySelector("summary").addEventListener("click", () => view.store.opened.set(n, !root.open));
  return { root, part, blocks: [] };
}

function drawCard(view, made, card, keys) {
  const { part, root } = made;
  const has = (...names) => !keys || names.some((name) => keys.has(name));
  if (has("state")) {
    root.dataset.state = card.state || "";
    setText(part.sign, SIGNS[card.state] || "");
    part.sign.setAttribute("aria-label", STATE_WORDS[card.state] || "");
    part.sign.setAttribute("role", "img");
    part.sign.classList.toggle("agl-busy", BUSY.has(card.state));
  }
  if (has("icon")) setText(part.icon, card.icon || "");
  if (has("title", "state")) setProse(part.title, card.title || TITLES[card.state] || card.action || "");
  if (has("error")) setText(part.hint, (card.error || "").split("\n", 1)[0]);
  if (has("meta", "state", "began", "memory")) drawMeta(view, part.meta, card);
  if (has("reasoning", "title")) setProse(part.reasoning, card.reasoning === card.title ? "" : card.reasoning || "");
  if (has("thoughts", "thought")) drawThoughts(part.thoughts, card);
  if (has("quiet", "risks", "ask")) drawQuiet(part.quiet, card);
  if (has("code", "lang", "mark", "state")) drawCode(view, made, card);
  if (has("ask")) drawAsk(view, part.ask, card);
  if (has("error", "trace")) drawError(part.error, card);
  if (has("chips")) drawChips(view, part.chips, card);
}

/** Time, tokens and cost; while the action runs, its own time and the memory its process holds. */
function drawMeta(view, element, card) {
  const now = Date.now() / 1000 - view.store.skew, acts = card.state === "running" && card.began;
  const words = acts ? [seconds(now - card.began), card.memory ? `${card.memory} in use` : ""] : card.meta || [];
  setText(element, words.filter(Boolean).join(" · "));
}

/** What the model thought before it decided, folded. */
function drawThoughts(element, card) {
  element.replaceChildren();
  if (card.thoughts) element.append(node("details", {}, node("summary", {}, card.thought || "Thoughts"), node("p", { dir: "auto" }, card.thoughts)));
}

function drawQuiet(element, card) {
  element.replaceChildren(...(card.quiet || []).map((line) => node("p", { dir: "auto" }, line)));
  if ((card.risks || []).length) element.append(node("p", { class: card.ask ? "agl-risks agl-asked" : "agl-risks" }, `Touches: ${card.risks.join(", ")}`));
}

function drawCode(view, made, card) {
  const box = made.part.code;
  if (!card.code) { box.replaceChildren(); made.pre = null; return; }
  if (!made.pre) {
    made.pre = node("pre", { tabindex: "0", "aria-label": `Code of step ${card.n}` });
    const tools = node("div", { class: "agl-tools" }, copyButton(() => view.store.cards.get(card.n).code));
    if (globalThis.jupyterapp?.commands?.hasCommand("notebook:insert-cell-below")) tools.append(insertButton(() => view.store.cards.get(card.n).code));
    else tools.append(insertLaterButton(view, card.n));
    if (card.action === "run_code") tools.append(extendButton(view, card.n));
    box.replaceChildren(made.pre, tools);
  }
  made.pre.replaceChildren(highlight(card.code, card.lang));
  if (card.mark) markLine(made.pre, card.mark);
  if (card.state === "writing") view.showEnd(made.pre);
}

function markLine(pre, line) {
  const bar = node("span", { class: "agl-mark", role: "img", "aria-label": `failed in line ${line}` });
  bar.style.setProperty("--at", line - 1);
  pre.prepend(bar);
}

function copyButton(text) {
  const button = node("button", { type: "button", title: "Copy the code", onclick: async () => {
    try { await navigator.clipboard.writeText(text()); setText(button, "Copied"); }
    catch { setText(button, "Not allowed"); }
    setTimeout(() => setText(button, "Copy"), 1200);
  } }, "Copy");
  return button;
}

/** Shown while the code runs: a step that gets on is not killed blindly. */
function extendButton(view, n) {
  const button = node("button", { type: "button", class: "agl-extend", title: "Give this step a minute more",
    onclick: () => { view.send({ op: "extend", n }); setText(button, "+60 s given"); setTimeout(() => setText(button, "+60 s"), 1200); } }, "+60 s");
  return button;
}

function insertButton(text) {
  return node("button", { type: "button", title: "Insert the code as a cell below", onclick: async () => {
    const { commands } = globalThis.jupyterapp;
    await commands.execute("notebook:insert-cell-below");
    await commands.execute("notebook:replace-selection", { text: text() });
  } }, "Insert below");
}

/** Most front ends keep their commands to themselves; they all add the cell that the kernel asks for when one is done. */
function insertLaterButton(view, n) {
  const button = node("button", { type: "button", class: "agl-later", title: "Add the code as a cell below when this cell is done",
    onclick: () => { view.send({ op: "insert", n }); setText(button, "Comes below"); button.disabled = true; } }, "Insert below");
  return button;
}

function drawError(element, card) {
  element.replaceChildren();
  if (!card.error) return;
  element.append(node("p", {}, card.error));
  if (card.trace) element.append(node("details", {}, node("summary", {}, "Traceback"), node("pre", { tabindex: "0" }, card.trace)));
}

function drawChips(view, element, card) {
  element.replaceChildren(...(card.chips || []).map((chip) => {
    const drawn = node("span", { class: `agl-chip agl-${chip.how.split(" ", 1)[0]}` },
      node("i", {}, chip.how), " ", node("b", {}, chip.name), chip.what ? ` ${chip.what}` : "");
    if (chip.warn) {
      drawn.classList.add("agl-warn");
      drawn.title = "This was yours, and the goal does not mention it";
    }
    if (chip.restore) drawn.append(node("button", { type: "button", "aria-label": `Restore ${chip.name}`,
      title: "Give it the value it had before this run",
      onclick: () => view.send({ op: "restore", n: card.n, name: chip.name }) }, "Restore"));
    return drawn;
  }));
}

// Outputs.

function drawBlock(view, block) {
  if (block.kind === "picture") return node("img", { src: block.src, alt: block.alt || "figure" });
  if (block.kind === "html") {
    const made = node("div", { class: "agl-html jp-RenderedHTMLCommon", tabindex: "0", role: "group", "aria-label": "output", dir: "auto" });
    made.innerHTML = block.html;
    return made;
  }
  const pre = node("pre", { class: `agl-text agl-${block.name}`, tabindex: "0", "aria-label": `output (${block.name})` });
  const head = node("span"), gap = node("i"), tail = node("span");
  pre.append(head, gap, tail);
  const more = node("button", { type: "button", class: "agl-more", onclick: () => {
    const all = pre.classList.toggle("agl-all");
    setText(more, all ? "Show less" : "Show all");
  } }, "Show all");
  const made = node("div", { class: "agl-block" }, pre, more);
  made.grow = (lines, skipped, ending) => {
    if (lines.length) head.insertAdjacentHTML("beforeend", lines.join("\n") + "\n");
    setText(gap, skipped ? `… ${skipped} lines are not shown; the record has them …\n` : "");
    tail.innerHTML = ending.join("\n");
    made.count = (made.count || 0) + lines.length;
    more.hidden = made.count + ending.length <= FOLDED_LINES;
    if (!pre.classList.contains("agl-all")) view.showEnd(pre);
  };
  made.grow(block.head, block.skipped, block.tail);
  return made;
}

function drawOutputs(view, made, card, patches) {
  const box = made.part.out;
  for (const patch of patches) {
    const shown = made.blocks[patch.i];
    if (patch.more && shown?.grow) { shown.grow(patch.more, patch.skipped, patch.tail); continue; }
    const fresh = drawBlock(view, card.out[patch.i]);
    if (shown) shown.replaceWith(fresh); else box.append(fresh);
    made.blocks[patch.i] = fresh;
  }
  while (made.blocks.length > card.out.length) made.blocks.pop().remove();
}

// Approval.

function drawAsk(view, box, card) {
  const ask = card.ask;
  if (ask?.question) { drawQuestion(view, box, card.n, ask.question); return; }
  if (ask?.plan) { drawPlan(view, box, ask.plan); return; }
  if (!ask) { box.replaceChildren(); box.complaint = box.asked = null; box.closest(".agl-card").classList.remove("agl-editing"); return; }
  if (box.complaint) { setText(box.complaint, ask.complaint || ""); for (const b of box.querySelectorAll("button")) b.disabled = false; return; }
  const inputs = new Map();
  const send = (message) => {
    for (const button of box.querySelectorAll("button")) button.disabled = true;
    view.send({ n: card.n, ...message });
  };
  const edited = () => Object.fromEntries([...inputs].filter(([, area]) => area.dataset.touched).map(([name, area]) => [name, area.value]));
  const editor = node("div", { class: "agl-editor", hidden: true });
  for (const [name, value] of Object.entries(ask.fields)) {
    const area = node("textarea", { "aria-label": `${name} of step ${card.n}`, spellcheck: "false", rows: Math.min(value.split("\n").length + 1, 18), oninput: () => { area.dataset.touched = "1"; } });
    area.value = value;
    inputs.set(name, area);
    editor.append(node("label", {}, node("span", {}, name), area));
  }
  const reason = node("input", { type: "text", placeholder: "Why not? The agent reads this.", "aria-label": `Reason for rejecting step ${card.n}`,
    onkeydown: (event) => { if (event.key === "Enter") send({ op: "reject", reason: reason.value }); } });
  const refusal = node("div", { class: "agl-refusal", hidden: true }, reason);
  const approve = node("button", { type: "button", class: "agl-primary", onclick: () => send({ op: "approve", fields: edited() }) }, "Approve");
  const edit = node("button", { type: "button", onclick: () => {
    begin(editor, "edit"); box.closest(".agl-card").classList.add("agl-editing"); setText(approve, "Approve the edited step"); inputs.values().next().value?.focus();
  } }, "Edit");
  const reject = node("button", { type: "button", onclick: () => {
    if (refusal.hidden) { begin(refusal, "reject"); setText(reject, "Reject with this reason"); reason.focus(); } else send({ op: "reject", reason: reason.value });
  } }, "Reject…");
  const cancel = node("button", { type: "button", title: "Go back to the question (Esc)", hidden: true, onclick: () => back() }, "Cancel");
  const rest = node("button", { type: "button", title: "Approve this step and all that follow", onclick: () => send({ op: "rest", fields: edited() }) }, "Approve the rest");
  /** Show one of the two boxes; only what belongs to it stays to be clicked. */
  const begin = (part, what) => {
    part.hidden = false; cancel.hidden = false; edit.hidden = rest.hidden = true;
    reject.hidden = what === "edit"; approve.hidden = what === "reject";
  };
  const back = () => {
    for (const [name, area] of inputs) { area.value = ask.fields[name]; delete area.dataset.touched; }
    editor.hidden = refusal.hidden = cancel.hidden = true;
    approve.hidden = reject.hidden = rest.hidden = false; edit.hidden = inputs.size === 0;
    reason.value = ""; setText(approve, "Approve"); setText(reject, "Reject…"); setText(box.complaint, "");
    box.closest(".agl-card").classList.remove("agl-editing");
    approve.focus();
  };
  box.onkeydown = (event) => { if (event.key === "Escape" && !cancel.hidden) { event.preventDefault(); back(); } };
  box.complaint = node("p", { class: "agl-complaint", role: "alert" }, ask.complaint || "");
  box.replaceChildren(editor, refusal, node("div", { class: "agl-buttons", role: "group", "aria-label": `Approval of step ${card.n}` }, approve, edit, reject, rest, cancel),
    box.complaint, ...waits(view, ask.until, ask.otherwise));
  if (inputs.size === 0) edit.hidden = true;
}

// A question of the model: its choices as buttons, a free answer, and the time until its default is taken.

function drawQuestion(view, box, n, { question, choices, default: usual, until }) {
  const key = `${question}\n${until}`;
  if (box.asked === key) { for (const each of box.querySelectorAll("button, input")) each.disabled = false; return; }
  box.asked = key;
  const send = (message) => {
    for (const each of box.querySelectorAll("button, input")) each.disabled = true;
    view.send({ op: "answer", n, ...message });
  };
  const buttons = choices.map((choice, at) => node("button", { type: "button", dir: "auto", onclick: () => send({ choice: at }) }, choice));
  const text = node("input", { type: "text", dir: "auto", placeholder: choices.length ? "Or answer in your own words" : "Your answer", "aria-label": `Your answer to step ${n}` });
  const form = node("form", { class: "agl-answer", onsubmit: (event) => { event.preventDefault(); if (text.value.trim()) send({ text: text.value }); } },
    text, node("button", { type: "submit", class: "agl-primary" }, "Answer"));
  const left = node("span", { class: "agl-left", "data-until": until });
  const usually = node("p", { class: "agl-default", dir: "auto" }, "Without an answer ", left, ": ", node("b", {}, usual));
  box.replaceChildren(
    node("p", { class: "agl-question", dir: "auto", role: "alert" }, question),
    node("div", { class: "agl-buttons", role: "group", "aria-label": `Choices of step ${n}`, hidden: !buttons.length }, ...buttons), form, usually);
  countDown(view, left);
}

// A plan: go, edit it, or reject it with a reason.

function drawPlan(view, box, { lines, complaint, until }) {
  const key = `${lines.join("\n")}\n${complaint}`;
  if (box.asked === key) { for (const each of box.querySelectorAll("button, input, textarea")) each.disabled = false; return; }
  const typed = complaint ? box.querySelector("textarea")?.value : null;
  box.asked = key;
  const send = (message) => {
    for (const each of box.querySelectorAll("button, input, textarea")) each.disabled = true;
    view.send({ op: "plan", ...message });
  };
  const list = node("ol", { class: "agl-lines", dir: "auto" }, ...lines.map((line) => node("li", {}, line)));
  const area = node("textarea", { "aria-label": "Lines of the plan", rows: lines.length + 1, hidden: true });
  area.value = typed ?? lines.join("\n");
  const reason = node("input", { type: "text", dir: "auto", hidden: true, placeholder: "Why not? The agent plans again.", "aria-label": "Reason for rejecting the plan",
    onkeydown: (event) => { if (event.key === "Enter") send({ go: false, reason: reason.value }); } });
  const go = node("button", { type: "button", class: "agl-primary", onclick: () => send(area.hidden ? { go: true } : { go: true, text: area.value }) }, "Go");
  const edit = node("button", { type: "button", onclick: () => begin(area) }, "Edit");
  const reject = node("button", { type: "button", onclick: () => { if (reason.hidden) begin(reason); else send({ go: false, reason: reason.value }); } }, "Reject…");
  const cancel = node("button", { type: "button", hidden: true, title: "Go back to the plan (Esc)", onclick: () => back() }, "Cancel");
  const begin = (part) => {
    part.hidden = cancel.hidden = false; edit.hidden = true; list.hidden = part === area;
    go.hidden = part === reason; reject.hidden = part === area;
    setText(go, part === area ? "Go with this plan" : "Go"); setText(reject, part === reason ? "Reject with this reason" : "Reject…"); part.focus();
  };
  const back = () => {
    area.hidden = reason.hidden = cancel.hidden = true; list.hidden = edit.hidden = go.hidden = reject.hidden = false;
    area.value = lines.join("\n"); reason.value = ""; setText(go, "Go"); setText(reject, "Reject…"); go.focus();
  };
  box.onkeydown = (event) => { if (event.key === "Escape" && !cancel.hidden) { event.preventDefault(); back(); } };
  box.replaceChildren(list, area, reason, node("div", { class: "agl-buttons", role: "group", "aria-label": "The plan" }, go, edit, reject, cancel),
    node("p", { class: "agl-complaint", role: "alert" }, complaint), ...waits(view, until));
  if (complaint) begin(area);
}

/** What happens if nobody answers, where something does: nothing is done, and the run ends unless it is said otherwise. */
function waits(view, until, otherwise = "the run ends here and can be resumed") {
  if (!until) return [];
  const left = node("span", { class: "agl-left", "data-until": until });
  countDown(view, left);
  return [node("p", { class: "agl-default" }, "Without an answer ", left, ` ${otherwise}`)];
}

function countDown(view, element) {
  const rest = Number(element.dataset.until) - Date.now() / 1000 + view.store.skew;
  setText(element, rest > 0 ? `in ${seconds(Math.ceil(rest))}` : "now");
}

// The view.

function createView(model, store, el) {
  const part = {};
  const root = node("section", { class: "agentloop", "aria-label": "Agent run" },
    node("header", {},
      node("div", { class: "agl-row" },
        part.status = node("span", { class: "agl-status", role: "status", "aria-live": "polite" }),
        part.goal = node("span", { class: "agl-goal", dir: "auto" }),
        part.buttons = node("span", { class: "agl-controls" },
          part.pause = node("button", { type: "button", onclick: () => view.send({ op: "pause" }) }, "Pause"),
          part.stop = node("button", { type: "button", class: "agl-stop", onclick: () => view.stop() }, "Stop"))),
      node("div", { class: "agl-row agl-meters" },
        part.steps = meter("steps"), part.elapsed = node("span"), part.tokens = node("span"), part.cost = meter("budget"), part.model = node("span", { class: "agl-model" })),
      part.line = node("div", { class: "agl-line", dir: "auto" }),
      part.reason = node("div", { class: "agl-reason", dir: "auto" }),
      part.patience = node("div", { class: "agl-reason", role: "status" })),
    part.cards = node("div", { class: "agl-cards", tabindex: "0", role: "region", "aria-label": "Steps of the agent" }),
    part.note = node("form", { class: "agl-tell", onsubmit: (event) => { event.preventDefault(); view.note(); } },
      part.text = node("input", { type: "text", placeholder: "Tell the agent something; it reads it before its next decision", "aria-label": "Note to the agent", dir: "auto" }),
      node("button", { type: "submit" }, "Send"),
      part.told = node("span", { role: "status" })),
    part.sent = node("div", { class: "agl-sent", role: "status", dir: "auto", hidden: true }));
  const cards = new Map();
  let sent = [];
  const view = { store, send: (message) => model.send(message) };

  function meter(label) {
    const bar = node("span", { class: "agl-bar", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, node("span"));
    return node("span", { class: "agl-gauge" }, node("span", { class: "agl-label" }), bar);
  }

  function drawGauge(element, text, share) {
    setText(element.firstChild, text);
    const bar = element.lastChild, percent = Math.round(Math.min(share, 1) * 100);
    bar.hidden = !(share >= 0);
    if (bar.hidden) return;
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", text);
    bar.firstChild.style.transform = `scaleX(${percent / 100})`;
    bar.classList.toggle("agl-high", share > 0.85);
  }

  function running() { return store.header.status === "running"; }

  function drawHeader() {
    const header = store.header;
    root.dataset.status = header.status || "";
    root.dataset.label = header.label || "";
    root.toggleAttribute("data-cells", Boolean(header.cells));
    setText(part.goal, header.goal || "");
    part.goal.title = header.goal || "";
    drawGauge(part.steps, `step ${header.step || 0} of ${header.steps || "?"}`, header.steps ? header.step / header.steps : -1);
    setText(part.tokens, header.tokens || "");
    part.tokens.title = header.tokens_detail || "";
    drawGauge(part.cost, header.cost || "", / of /.test(header.cost || "") ? header.spent : -1);
    setText(part.model, header.model || "");
    setText(part.line, header.line ? `Plan, line ${header.line}` : "");
    setText(part.reason, header.reason || "");
    part.buttons.hidden = part.note.hidden = !running();
    setText(part.pause, header.paused ? "Continue" : "Pause");
    drawSent();
    tick();
  }

  function tick() {
    const { header } = store, now = Date.now() / 1000 - store.skew;
    let label = header.label || "";
    if (header.wait) label += header.wait.until > now ? ` in ${Math.ceil(header.wait.until - now)} s` : "";
    if (header.paused && running()) label = `paused (${label})`;
    setText(part.status, label);
    part.status.title = header.wait?.why || "";
    if (header.began) setText(part.elapsed, seconds(running() ? now - header.began : header.elapsed));
    const newest = cards.get(header.step);
    for (const left of root.querySelectorAll(".agl-left")) countDown(view, left);
    if (newest) drawMeta(view, newest.part.meta, store.cards.get(header.step));
  }

  /** Cards lie in groups, which a browser passes over while they are out of sight: 500 steps cost as much as 50. */
  function group(number) {
    while (part.cards.children.length < number) part.cards.append(node("div", { class: "agl-group" }));
    return part.cards.children[number - 1];
  }

  function ensure(n) {
    if (!cards.has(n)) {
      const made = createCard(view, n), place = group(Math.max(Math.ceil(n / GROUP), 1));
      cards.set(n, made);
      place.insertBefore(made.root, [...place.children].find((other) => Number(other.dataset.n) > n) || null);
    }
    return cards.get(n);
  }

  function arrangeOpen() {
    const newest = Math.max(...store.cards.keys());
    for (const [n, made] of cards) {
      const open = store.opened.get(n) ?? (n === newest || Boolean(store.cards.get(n).ask));
      if (made.root.open !== open) made.root.open = open;
    }
  }

  // Follow the end of the list unless the reader scrolled away. Measuring waits for the frame: a layout is dear.
  let following = true, scheduled = false;
  const growing = new Set();
  part.cards.addEventListener("scroll", () => {
    if (!scheduled) following = part.cards.scrollHeight - part.cards.scrollTop - part.cards.clientHeight < 40;
  }, { passive: true });

  function stick(change) {
    change();
    if (following) growing.add(part.cards);
    if (!growing.size || scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      const ends = [...growing].map((box) => [box, box.scrollHeight]);
      growing.clear();
      for (const [box, end] of ends) box.scrollTop = end;
      requestAnimationFrame(() => { scheduled = false; });
    });
  }

  view.showEnd = (box) => { growing.add(box); };

  view.redraw = () => stick(() => {
    part.cards.replaceChildren();
    cards.clear();
    for (const [n, card] of store.cards) {
      const made = ensure(n);
      drawCard(view, made, card, null);
      drawOutputs(view, made, card, card.out.map((_, i) => ({ i })));
    }
    if (cards.size) arrangeOpen();
    drawHeader();
  });

  view.patch = (delta) => stick(() => {
    let added = false;
    for (const change of delta.cards) {
      added ||= !cards.has(change.n);
      const made = ensure(change.n), card = store.cards.get(change.n);
      drawCard(view, made, card, new Set([...Object.keys(change.set || {}), ...Object.keys(change.add || {})]));
      if (change.out || "length" in change) drawOutputs(view, made, card, change.out || []);
      added ||= Boolean(change.set && "ask" in change.set);
    }
    if (added) arrangeOpen();
    drawHeader();
  });

  /** Notes stay in sight until a card shows that the agent has read them. */
  function drawSent() {
    const read = [...store.cards.values()].flatMap((card) => card.quiet || []).join("\n");
    sent = sent.filter(({ text }) => running() && !read.includes(`You said: ${text}`));
    part.sent.hidden = !sent.length;
    part.sent.replaceChildren(...sent.map(({ text }) => node("p", {}, `You said: ${text} `, node("i", {}, "(not read yet)"))));
  }

  view.stop = () => {
    part.stop.disabled = true;
    setText(part.stop, "Stopping…");
    store.acked.delete("stop");
    view.send({ op: "stop" });
    setTimeout(async () => {
      if (store.acked.has("stop") || !running()) return;
      try { await model.widget_manager.kernel.interrupt(); }
      catch { setText(part.patience, patience()); }
    }, NO_ANSWER_MS);
  };

  /** Said where the page can neither reach the kernel while code runs nor interrupt it: Voila with an older ipykernel. */
  function patience() {
    const limit = [...store.cards.values()].pop()?.limit;
    return `Stops when the code of this step ends${limit ? `, at the latest after its time limit of ${limit} s` : ""}. `
      + "In a notebook, the Interrupt button is faster.";
  }

  view.note = () => {
    const text = part.text.value.trim();
    if (!text) return;
    view.send({ op: "note", text });
    part.text.value = "";
    sent = [...sent, { text }];
    drawSent();
    setText(part.told, "Sending…");
    setTimeout(() => {
      if (part.told.textContent === "Sending…") setText(part.told, "This kernel reads notes only when the cell is done.");
    }, NO_ANSWER_MS * 2);
  };

  view.acknowledged = (what) => {
    if (what === "note") setText(part.told, "The agent reads it before its next decision.");
    if (what === "stop") { part.stop.disabled = true; setText(part.stop, "Stopping…"); }
    if (what === "late") view.redraw();
    setTimeout(() => setText(part.told, ""), 4000);
  };

  // Jupyter's own shortcuts (a, b, dd, x) must not act on the notebook while someone types here.
  root.addEventListener("keydown", (event) => event.stopPropagation());
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  el.append(root);
  store.views.add(view);
  view.redraw();
  const clock = setInterval(tick, 1000);
  return () => { clearInterval(clock); store.views.delete(view); };
}

export default () => {
  let store;
  return {
    initialize({ model }) { store = createStore(model); },
    render({ model, el }) { return createView(model, (store ??= createStore(model)), el); },
  };
};
