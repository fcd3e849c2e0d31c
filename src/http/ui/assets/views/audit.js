// What was done, by whom, when and from where.

import { get, query } from '../api.js';
import { h, name } from '../dom.js';
import { has, number, t } from '../i18n.js';
import { fullName, known, person, personFilter } from '../names.js';
import { pick, search, table } from '../table.js';
import { exact, when } from '../time.js';

const actions = [
  'login', 'loginFailed', 'loginLocked', 'sessionEnded', 'sessionsEnded', 'refreshReused', 'created', 'updated', 'deleted',
  'imported', 'unlocked', 'policyChanged', 'clockConfirmed', 'clockReset', 'keysRotated', 'keyRevoked',
];

const word = (key, other) => (has(key) ? t(key) : other);

// What an entry is about, in the words of the page.
function about(entry) {
  const { resource, reason, count } = entry;
  const parts = [];
  if (resource) {
    const names = [resource.userName && fullName(resource.userName), resource.deviceName].filter(Boolean);
    const shown = names.length > 0 ? names.join(' · ') : resource.id;
    parts.push(h('span', { class: 'hint' }, word(`resource.${resource.name}`, resource.name)), ' ', name(shown ?? ''));
  }
  if (reason) parts.push(' ', h('span', { class: 'tag' }, word(`reason.${reason}`, reason)));
  if (count > 1) parts.push(' ', h('span', { class: 'tag' }, `${number(count)}×`));
  return parts;
}

function who(entry) {
  if (entry.by) return person(entry.by.userName);
  // A login that fails is nobody's.
  if (entry.action === 'loginFailed' || entry.action === 'loginLocked') return '–';
  return t(entry.author === 'cli' ? 'by.cli' : 'by.server');
}

export default function auditView() {
  const list = table({
    label: t('nav.audit'),
    sort: '-at',
    empty: t('audit.empty'),
    filters: [
      search(t('audit.who'), personFilter('userName')),
      pick(t('audit.what'), [['', t('audit.all')], ...actions.map((one) => [one, word(`action.${one}`, one)])], (value) => [['action', 'eq', value]]),
    ],
    columns: [
      { key: 'at', label: t('audit.at'), sort: 'at', cell: (row) => h('time', { datetime: row.at, title: exact(row.at) }, when(row.at)) },
      { key: 'what', label: t('audit.what'), sort: 'action', cell: (row) => h('span', { class: 'strong' }, word(`action.${row.action}`, row.action)) },
      { key: 'about', label: t('audit.about'), cell: about },
      { key: 'who', label: t('audit.who'), sort: 'userName', cell: who },
      { key: 'from', label: t('audit.from'), sort: 'peer', cell: (row) => h('span', { class: 'mono' }, row.peer ?? '') },
    ],
    load: (wanted) => get(`audit${query(wanted)}`),
  });
  return {
    node: h('div', { class: 'view' }, list.node),
    async start() {
      await known();
      await list.reload();
    },
  };
}
