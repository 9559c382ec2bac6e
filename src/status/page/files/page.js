// Keeps the page up to date. The server renders it; with each event this script
// fetches it anew and changes only what differs, so that focus, selection and
// scroll positions stay. Without this script the page shows one moment.
"use strict";

// How many seconds the lines show, and how many at least have room in them.
const MOST_POINTS = 180;
const LEAST_POINTS = 30;
const series = new Map();
let source = null;
let fetching = false;

function element(id) {
  return document.getElementById(id);
}

// The URL without a name and a password, which `fetch` does not take. The browser
// remembers those that the page was opened with.
function plain(url) {
  const whole = new URL(url, document.baseURI);
  whole.username = "";
  whole.password = "";
  return whole.href;
}

// Fetches a page of this server.
async function load(url, options) {
  const answer = await fetch(plain(url), { cache: "no-store", credentials: "same-origin", ...options });
  const text = await answer.text();
  if (!answer.ok) {
    throw new Error(text || answer.statusText);
  }
  return new DOMParser().parseFromString(text, "text/html");
}

// Makes an element like another one, and keeps its nodes where it can.
function renew(old, fresh) {
  if (old.hasAttribute("data-keep") || old.isEqualNode(fresh)) {
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }
  renewChildren(old, fresh);
}

// What a child is recognised by: its key, or its kind and its place among those.
function names(parent) {
  const counts = new Map();
  return [...parent.childNodes].map((node) => {
    const key = node.dataset?.key;
    if (key !== undefined) {
      return `key ${key}`;
    }
    const count = counts.get(node.nodeName) ?? 0;
    counts.set(node.nodeName, count + 1);
    return `${node.nodeName} ${count}`;
  });
}

function renewChildren(old, fresh) {
  const wanted = names(fresh);
  const there = new Map();
  const oldNames = names(old);
  const oldNodes = [...old.childNodes];
  // Those that are gone first: then those that stay need not move, and keep the focus.
  oldNames.forEach((name, place) => {
    if (wanted.includes(name)) {
      there.set(name, oldNodes[place]);
    } else {
      oldNodes[place].remove();
    }
  });
  [...fresh.childNodes].forEach((node, place) => {
    const at = old.childNodes[place] ?? null;
    const kept = there.get(wanted[place]);
    if (kept === undefined) {
      old.insertBefore(document.importNode(node, true), at);
      return;
    }
    if (kept !== at) {
      old.insertBefore(kept, at);
    }
    if (kept.nodeType === Node.ELEMENT_NODE) {
      renew(kept, node);
    } else if (kept.nodeValue !== node.nodeValue) {
      kept.nodeValue = node.nodeValue;
    }
  });
}

function renewPage(page) {
  const log = element("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 4;
  const focused = document.activeElement;
  for (const id of ["name", "state", "about", "control", "main"]) {
    renew(element(id), page.getElementById(id));
  }
  document.title = page.title;
  if (isAtEnd) {
    log.scrollTop = log.scrollHeight;
  }
  if (focused !== document.activeElement && focused?.isConnected) {
    focused.focus({ preventScroll: true });
  }
}

async function refresh() {
  if (fetching || document.hidden) {
    return;
  }
  fetching = true;
  try {
    const page = await load("./");
    // It may have been paused meanwhile.
    if (source !== null) {
      renewPage(page);
      say("");
    }
  } catch {
    if (source !== null) {
      lost();
    }
  } finally {
    fetching = false;
  }
}

// Shows a message about the connection, or none.
function say(text) {
  const line = element("connection");
  if (line.textContent !== text) {
    line.textContent = text;
  }
  line.hidden = text === "";
}

let lastHeard = new Date();

function lost() {
  say(`The server does not answer. This is its state at ${lastHeard.toLocaleTimeString()}.`);
}

// The numbers that are drawn as lines.
function points(report) {
  const sum = (field) => report.workers.reduce((all, worker) => all + worker[field], 0);
  const { lately } = report;
  return {
    rate: lately.requests_per_second,
    median: lately.median ?? 0,
    p90: lately.p90 ?? 0,
    p99: lately.p99 ?? 0,
    errors: lately.errors,
    busy: sum("busy"),
    waiting: sum("waiting"),
    serving: report.workers.filter((worker) => worker.state === "serving").length,
  };
}

function draw(report) {
  for (const [name, value] of Object.entries(points(report))) {
    const values = series.get(name) ?? [];
    values.push(value);
    if (values.length > MOST_POINTS) {
      values.shift();
    }
    series.set(name, values);
    const svg = document.querySelector(`svg[data-series="${name}"]`);
    const width = Math.max(values.length, LEAST_POINTS) - 1;
    const top = 1.1 * Math.max(...values) || 1;
    // The newest point is at the right edge.
    const first = width + 1 - values.length;
    const line = values.map((it, place) => `${first + place},${(24 - (it / top) * 23).toFixed(2)}`);
    if (!svg.firstChild) {
      svg.setAttribute("preserveAspectRatio", "none");
      for (const shape of ["polygon", "polyline"]) {
        svg.append(document.createElementNS(svg.namespaceURI, shape));
      }
    }
    svg.setAttribute("viewBox", `0 0 ${width} 25`);
    svg.firstChild.setAttribute("points", [`${first},25`, ...line, `${width},25`].join(" "));
    svg.lastChild.setAttribute("points", line.join(" "));
  }
}

function listen() {
  source = new EventSource(plain("events"));
  source.addEventListener("report", (event) => {
    lastHeard = new Date();
    draw(JSON.parse(event.data));
    refresh();
  });
  // The browser tries again by itself.
  source.addEventListener("error", lost);
}

function pauseOrGoOn(button) {
  const pauses = source !== null;
  if (pauses) {
    source.close();
    source = null;
  } else {
    listen();
  }
  button.setAttribute("aria-pressed", String(pauses));
  button.textContent = pauses ? "Go on" : "Pause updates";
  say("");
}

// Shows the stacks of a worker above the page.
async function showStacks(url) {
  const [dialog, content] = [element("stacks"), element("stacks-content")];
  dialog.dataset.url = url;
  try {
    content.replaceChildren(...(await load(url)).querySelector("main").childNodes);
  } catch (error) {
    content.textContent = `The stacks cannot be had: ${error.message}`;
  }
  if (!dialog.open) {
    dialog.showModal();
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-stacks]");
  const opens = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
  if (link && !opens) {
    event.preventDefault();
    showStacks(link.href);
  }
});

// The buttons that steer the server do so without a new page.
element("control").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    renewPage(await load(event.target.action, { method: "POST" }));
  } catch (error) {
    say(error.message);
  }
});

element("again").addEventListener("click", () => showStacks(element("stacks").dataset.url));
element("pause").addEventListener("click", (event) => pauseOrGoOn(event.currentTarget));
element("pause").hidden = false;
element("log").scrollTop = element("log").scrollHeight;
document.addEventListener("visibilitychange", refresh);
listen();
