// Keeps the page up to date: it reads the changes of the pool and asks for the page again. Everything works without it.
"use strict";

const root = document.currentScript.dataset.root;
const connection = document.getElementById("connection");
const shown = new Map(); // what the live parts show, by their IDs
const shortest = 500; // between two refreshes, in milliseconds

let source = null;
let timer = 0;
let refreshed = 0; // when the last refresh ended
let pause = shortest;

// shortly is a number of seconds in its largest unit.
function shortly(seconds) {
  if (seconds < 60) return Math.floor(seconds) + "s";
  if (seconds < 3600) return Math.floor(seconds / 60) + "m";
  if (seconds < 48 * 3600) return Math.floor(seconds / 3600) + "h";
  return Math.floor(seconds / 86400) + "d";
}

// tick updates the distances of all times on the page.
function tick() {
  for (const time of document.querySelectorAll("time")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    const text = seconds <= -1 ? shortly(-seconds) + " ago" : seconds >= 1 ? "in " + shortly(seconds) : "now";
    if (time.textContent !== text) time.textContent = text;
  }
}

// refresh asks for the page and replaces its live parts.
async function refresh() {
  timer = 0;
  const begin = Date.now();
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.ok) replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The next refresh may succeed; the connection says if there is none.
  }
  refreshed = Date.now();
  pause = Math.max(shortest, 10 * (refreshed - begin)); // a slow page is asked for less often
}

// replace puts the live parts of a fresh page in place of those on this one. The focus, what is open and where one has
// scrolled to stay as they are. A part with selected text stays until the selection ends.
function replace(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const successor = fresh.getElementById(part.id);
    if (!successor || successor.innerHTML === shown.get(part.id) || hasSelection(part)) continue;
    const restore = [keepFocus(part), keepEach(part, "details", "open"), keepEach(part, "pre", "scrollTop")];
    shown.set(part.id, successor.innerHTML);
    part.innerHTML = successor.innerHTML;
    for (const put of restore) put();
  }
  tick();
}

function hasSelection(part) {
  const selection = getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

// keepFocus returns a function that sets the focus again: by ID, else on the element with the same text or place.
function keepFocus(part) {
  const focused = document.activeElement;
  if (!part.contains(focused)) return () => {};
  const alike = () => [...part.querySelectorAll(focused.tagName)];
  const place = alike().indexOf(focused);
  return () => {
    const successor = focused.id
      ? document.getElementById(focused.id)
      : alike().find((e) => e.href && e.href === focused.href) ?? alike()[place];
    successor?.focus({ preventScroll: true });
  };
}

// keepEach returns a function that sets a property of each element again.
function keepEach(part, tag, property) {
  const values = [...part.querySelectorAll(tag)].map((e) => e[property]);
  return () => [...part.querySelectorAll(tag)].slice(0, values.length).forEach((e, i) => (e[property] = values[i]));
}

// soon plans a refresh, unless one is planned.
function soon() {
  if (timer || document.hidden) return;
  timer = setTimeout(refresh, Math.max(50, refreshed + pause - Date.now()));
}

// isShown tells whether a change is about something on this page.
function isShown(change) {
  const worker = document.querySelector("[data-worker]");
  return !worker || worker.dataset.worker === change.worker;
}

// connect follows the changes. If the server allows no more readers, it tries again later.
function connect() {
  if (source || document.hidden || !document.querySelector("[data-live]")) return;
  source = new EventSource(root + "api/events");
  source.onopen = () => {
    say("live");
    soon();
  };
  source.addEventListener("change", (event) => {
    if (isShown(JSON.parse(event.data))) soon();
  });
  source.addEventListener("missed", soon);
  source.onerror = () => {
    say("not connected");
    if (source.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(connect, 5000);
    }
  };
}

function disconnect() {
  source?.close();
  source = null;
}

function say(state) {
  connection.textContent = state;
  connection.className = state === "live" ? "live" : "";
}

// A hidden page needs no connection: browsers allow only a few of them.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    disconnect();
  } else {
    connect();
    soon();
  }
});

setInterval(tick, 1000);
connect();
