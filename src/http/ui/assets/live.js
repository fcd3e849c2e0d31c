// The feed of changes. Events are gathered and handed on a few times a second,
// so that a thousand of them cost no more than one.

import { address, get } from './api.js';

const GATHER_MS = 250;
const GATHERED_MAX = 2000;
const RETRY_MS = 5000;
// A tab that nobody looks at lets go of its connection after this long.
const HIDDEN_MS = 60_000;

let source = null;
let waiting = [];
let timer = 0;
let hidden = 0;
const listeners = new Set();
const watchers = new Set();
let state = 'off';

function setState(next) {
  if (next === state) return;
  state = next;
  for (const watch of watchers) watch(state);
}

// `listener(changes)`; null stands for "look at everything anew". Answers how to stop.
export function onChanges(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function onState(watch) {
  watchers.add(watch);
  watch(state);
}

function hand() {
  timer = 0;
  const changes = waiting.length > GATHERED_MAX ? null : waiting;
  waiting = [];
  // A call that fails here is made again with the next change.
  for (const listener of listeners) Promise.resolve(listener(changes)).catch(() => {});
}

// Takes a change in; it is handed on with all others of its moment.
export function gather(change) {
  // Beyond what is worth looking at one by one they are only counted.
  if (waiting.length <= GATHERED_MAX) waiting.push(change);
  timer ||= setTimeout(hand, GATHER_MS);
}

function lost() {
  waiting = new Array(GATHERED_MAX + 1);
  timer ||= setTimeout(hand, GATHER_MS);
}

export function start() {
  stop();
  setState('connecting');
  let opened = false;
  source = new EventSource(address('events'));
  source.addEventListener('open', () => {
    setState('live');
    // A new connection may have missed something that its browser can not name.
    if (!opened) lost();
    opened = true;
  });
  source.addEventListener('notification', (event) => gather(JSON.parse(event.data)));
  source.addEventListener('resync', lost);
  source.addEventListener('error', () => {
    setState('connecting');
    if (source?.readyState !== EventSource.CLOSED) return;
    // Refused: perhaps nobody is logged in any more, which this finds out.
    get('auth').then(retry, (problem) => problem.status !== 401 && retry());
  });
}

function retry() {
  setTimeout(() => source?.readyState === EventSource.CLOSED && start(), RETRY_MS);
}

export function stop() {
  source?.close();
  source = null;
  clearTimeout(timer);
  [timer, waiting] = [0, []];
  setState('off');
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => {
      if (!source) return;
      stop();
      state = 'asleep';
    }, HIDDEN_MS);
  } else if (state === 'asleep') {
    start();
  }
});
