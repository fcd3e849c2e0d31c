// Sessions that have ended and why, and when in the day people come and go.

import { count, forEach, get, query } from '../api.js';
import { hours } from '../chart.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { device, known, person, personFilter } from '../names.js';
import { pick, search, table } from '../table.js';
import { exact, now, span, when } from '../time.js';

export const reasons = [
  'loggedOut', 'revoked', 'replaced', 'expired', 'idle', 'passwordChanged', 'accountDisabled',
  'deviceDisabled', 'identityChanged', 'keyRevoked', 'notBefore', 'restored', 'refreshReuse',
];

const HOURS = 24;
const HOUR_MS = 3_600_000;

// Logins and endings in each of the last 24 hours, counted by the server.
async function picture() {
  const end = new Date(now());
  end.setMinutes(60, 0, 0);
  const hour = (at) => new Date(end.getTime() - (HOURS - at) * HOUR_MS);
  const rows = Array.from({ length: HOURS }, (_, at) => [`${String(hour(at).getHours()).padStart(2, '0')}:00`, 0, 0]);
  await forEach([...rows.keys()], async (at) => {
    const from = hour(at).toISOString();
    const within = (member) => [[member, 'gte', from], [member, 'lt', hour(at + 1).toISOString()]];
    // What began in this hour has ended since then, if at all: no need to look further back.
    const [living, over, ended] = await Promise.all([
      count('sessions', ...within('startedAt')),
      count('sessions/ended', ...within('startedAt'), ['endedAt', 'gte', from]),
      count('sessions/ended', ...within('endedAt')),
    ]);
    rows[at] = [rows[at][0], living + over, ended];
  });
  return hours(t('past.picture'), [t('past.logins'), t('past.endings')], rows);
}

export default function pastView() {
  const panel = h('div', { class: 'panel hours' });
  const list = table({
    label: t('nav.past'),
    sort: '-endedAt',
    empty: t('past.empty'),
    filters: [
      search(t('now.person'), personFilter('userName')),
      search(t('now.device'), (text) => [['deviceName', 'contains', text]]),
      pick(t('why'), [['', t('why.all')], ...reasons.map((one) => [one, t(`reason.${one}`)])], (value) => [['endReason', 'eq', value]]),
    ],
    columns: [
      { key: 'ended', label: t('past.ended'), sort: 'endedAt', cell: (row) => h('time', { datetime: row.endedAt, title: exact(row.endedAt) }, when(row.endedAt)) },
      { key: 'person', label: t('person'), sort: 'userName', cell: (row) => person(row.identity.userName) },
      { key: 'device', label: t('device'), sort: 'deviceName', cell: (row) => device(row.identity.deviceName) },
      { key: 'why', label: t('why'), sort: 'endReason', cell: (row) => t(`reason.${row.endReason}`) },
      { key: 'by', label: t('by'), cell: (row) => (row.endedBy ? person(row.endedBy.userName) : t('by.server')) },
      { key: 'lasted', label: t('lasted'), cell: (row) => span(Date.parse(row.endedAt) - Date.parse(row.startedAt)) },
    ],
    load: (wanted) => get(`sessions/ended${query(wanted)}`),
  });
  return {
    node: h('div', { class: 'view' }, panel, list.node),
    async start() {
      await Promise.all([known(), list.reload()]);
      list.rows().forEach((row) => list.again(row));
      panel.replaceChildren(await picture());
    },
    tick: list.tick,
  };
}
