// How the server is: its health, part by part.

import { get } from '../api.js';
import { h } from '../dom.js';
import { has, number, t } from '../i18n.js';
import { moment } from '../time.js';

const LOOK_EVERY_S = 10;
const GIB = 1024 ** 3;

const word = (key, other) => (has(key) ? t(key) : other);

function value(key, shown) {
  if (shown === null || shown === undefined) return '–';
  if (key === 'freeBytes') return `${number(Math.round((shown / GIB) * 10) / 10)} GB`;
  if (typeof shown === 'number') return number(shown);
  if (typeof shown === 'string' && /^\d{4}-\d\d-\d\dT/.test(shown)) return moment(shown);
  return String(shown);
}

function part(key, entry) {
  const data = Object.entries(entry.data ?? {});
  return h(
    'section',
    { class: 'panel part', 'data-status': entry.status },
    h('h2', null, word(`server.${key}`, key), h('span', { class: 'status' }, t(`status.${entry.status}`))),
    h('p', { class: 'hint' }, word(`server.${key}.text`, '')),
    entry.description && h('p', { class: 'notice' }, entry.description),
    data.length > 0 && h('dl', null, data.map(([one, shown]) => [h('dt', null, word(`data.${one}`, one)), h('dd', null, value(one, shown))])),
  );
}

export default function serverView() {
  const state = h('p', { class: 'overall', role: 'status' });
  const parts = h('div', { class: 'parts' });
  let left = LOOK_EVERY_S;

  async function look() {
    left = LOOK_EVERY_S;
    try {
      const health = await get('health');
      state.dataset.status = health.status;
      const text = t(`overall.${health.status}`);
      if (state.textContent !== text) state.textContent = text;
      parts.replaceChildren(...Object.entries(health.entries).map(([key, entry]) => part(key, entry)));
    } catch {
      state.dataset.status = 'Unhealthy';
      state.textContent = t('error.network');
    }
  }

  return {
    node: h('div', { class: 'view' }, state, parts),
    start: look,
    tick() {
      left -= 1;
      if (left <= 0 && !document.hidden) look();
    },
  };
}
