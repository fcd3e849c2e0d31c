// How the server is: its health, part by part, as far as there are words for it.
// Numbers for specialists are in the answer itself.

import { call, get } from '../api.js';
import { sentences } from '../dialog.js';
import { button, h } from '../dom.js';
import { has, number, t } from '../i18n.js';
import { say } from '../shell.js';
import { moment } from '../time.js';

const LOOK_EVERY_S = 10;
const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
// Backups that are shown; the rest lie in the same folder.
const BACKUPS_MAX = 5;

const word = (key, other) => (has(key) ? t(key) : other);

function value(key, shown) {
  if (key === 'freeBytes') return `${number(Math.round((shown / GIB) * 10) / 10)} GB`;
  if (typeof shown === 'number') return number(shown);
  if (typeof shown === 'boolean') return t(shown ? 'yes' : 'no');
  if (typeof shown === 'string' && /^\d{4}-\d\d-\d\dT/.test(shown)) return moment(shown);
  return String(shown);
}

function part(key, entry) {
  const data = Object.entries(entry.data ?? {}).filter(([one, shown]) => has(`data.${one}`) && shown !== null);
  return h(
    'section',
    { class: 'panel part', 'data-status': entry.status },
    h('h2', null, word(`server.${key}`, key), h('span', { class: 'status' }, t(`status.${entry.status}`))),
    h('p', { class: 'hint' }, word(`server.${key}.text`, '')),
    entry.description && h('p', { class: 'notice' }, entry.description),
    data.length > 0 && h('dl', null, data.map(([one, shown]) => [h('dt', null, t(`data.${one}`)), h('dd', null, value(one, shown))])),
  );
}

// The newest backups, and a button that makes one.
function backups() {
  const list = h('ul', { class: 'backups' });
  const error = h('p', { class: 'error', role: 'alert' });
  async function look() {
    const { items } = await get('backups');
    const line = (one) =>
      h(
        'li',
        null,
        h('span', null, one.takenAt ? moment(one.takenAt) : t('backup.running')),
        h('span', { class: 'hint' }, one.bytes ? `${number(Math.ceil((one.bytes / MIB) * 10) / 10)} MB` : ''),
        one.verified === false && h('span', { class: 'error' }, t('backup.damaged')),
      );
    list.replaceChildren(...items.slice(0, BACKUPS_MAX).map(line));
    if (items.length === 0) list.replaceChildren(h('li', { class: 'hint' }, t('backup.none')));
  }
  const make = button(t('backup.make'), async () => {
    make.disabled = true;
    error.textContent = '';
    try {
      const made = await call('POST', 'backups');
      say(t(made.state === 'complete' ? 'backup.made' : 'backup.running'));
      await look();
    } catch (problem) {
      error.textContent = sentences(problem).join(' ');
    } finally {
      make.disabled = false;
    }
  });
  const node = h('section', { class: 'panel part' }, h('h2', null, t('backup.title')), h('p', { class: 'hint' }, t('backup.text')), list, error, make);
  return { node, look };
}

export default function serverView({ may }) {
  const state = h('p', { class: 'overall', role: 'status' });
  const parts = h('div', { class: 'parts' });
  const kept = may('admin') ? backups() : null;
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
    node: h('div', { class: 'view' }, state, parts, kept && h('div', { class: 'parts' }, kept.node)),
    start: () => Promise.all([look(), kept?.look().catch(() => {})]),
    tick() {
      left -= 1;
      if (left <= 0 && !document.hidden) look();
    },
  };
}
