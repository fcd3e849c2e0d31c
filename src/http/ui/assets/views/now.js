// Who is on which till, since when, idle how long, and when it ends.

import { count, forEach, get, query } from '../api.js';
import { ranks } from '../chart.js';
import { named } from '../directory.js';
import { button, h } from '../dom.js';
import { has, number, t } from '../i18n.js';
import { onChanges } from '../live.js';
import { device, deviceList, fullName, known, person, personFilter } from '../names.js';
import { endAll, endOne, environments, sells } from '../sessions.js';
import { pick, search, table } from '../table.js';
import { exact, now, span, when } from '../time.js';

const BARS_MAX = 6;
// Not oftener than this a list is asked for anew, and a picture.
const LIST_MS = 1000;
const PICTURE_MS = 10_000;
// Nobody has touched the page for so long: it asks for nothing more by itself,
// so that the own session may come to its idle end.
const AWAY_MS = 10 * 60_000;
// Nobody is told of accesses, so how long somebody is idle is asked for again
// after this long, and is not known any more when the answer is this old.
const AGAIN_MS = 15_000;
const STALE_MS = 60_000;

export default function nowView({ profile, may }) {
  const tiles = h('div', { class: 'tiles' });
  const picture = h('div', { class: 'panel bars' });
  let touched = Date.now();
  const touch = () => (touched = Date.now());
  let listed = 0;
  const idle = (row) => (Date.now() - listed > STALE_MS ? '…' : span(now() - Date.parse(row.lastAccessAt)));

  const list = table({
    label: t('now.label'),
    className: 'now',
    sort: 'deviceName',
    empty: t('now.empty'),
    filters: [
      search(t('now.person'), personFilter('userName')),
      search(t('now.device'), (text) => [['deviceName', 'contains', text]]),
      pick(
        t('env'),
        [['', t('env.all')], ...environments.map((one) => [one, t(`env.${one}`)])],
        (value) => [['envName', 'eq', value]],
      ),
    ],
    columns: [
      { key: 'device', label: t('device'), sort: 'deviceName', cell: (row) => h('span', { class: 'person' }, device(row.identity.deviceName), h('span', { class: 'hint' }, t(`env.${row.identity.envName}`))) },
      { key: 'person', label: t('person'), sort: 'userName', cell: (row) => person(row.identity.userName) },
      { key: 'since', label: t('since'), sort: 'startedAt', cell: (row) => h('time', { datetime: row.startedAt, title: exact(row.startedAt) }, when(row.startedAt)) },
      { key: 'idle', label: t('idle'), sort: 'lastAccessAt', ticks: true, cell: (row) => (row.endReason ? t(`reason.${row.endReason}`) : idle(row)) },
      { key: 'ends', label: t('ends'), sort: 'expiresAt', ticks: true, cell: (row) => (row.endReason ? '' : t('in', { span: span(Date.parse(row.expiresAt) - now()) })) },
    ],
    actions: (row) => {
      if (row.endReason) return [];
      const { userName, deviceName } = row.identity;
      const own = userName === profile.userName && deviceName === profile.device.name;
      const who = fullName(userName);
      return [
        button(t('end'), () => endOne(row, { own }), 'small danger', named(t('end'), who, deviceName)),
        may('sessionDeleteAny') && button(t('end.all'), () => endAll('userName', userName), 'small quiet', named(t('end.all'), who)),
      ];
    },
    load: async (wanted) => {
      listed = Date.now();
      return get(`sessions${query(wanted)}`);
    },
  });

  function showTiles(counts) {
    const devices = deviceList().filter((one) => one.isActive);
    const line = environments.map((env) => {
      const there = devices.filter((one) => one.envName === env).length;
      const n = counts.env[env] ?? 0;
      const value = sells(env) ? t('now.of', { n: number(n), all: number(there) }) : number(n);
      return h('div', { class: 'tile' }, h('span', { class: 'tile-value' }, value), h('span', { class: 'tile-label' }, t(`now.tile.${env}`, { n })));
    });
    tiles.replaceChildren(...line);
  }

  // The devices with the most sessions, and then those with none: the picture
  // is as high before it is known as afterwards.
  function showPicture(counts) {
    const all = new Map(deviceList().filter((one) => one.isActive).map((one) => [one.name, 0]));
    for (const [one, count] of counts.device) all.set(one, count);
    const rows = [...all].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
    const left = rows.length - BARS_MAX;
    const more = left > 0 && t('now.more', { n: left, count: number(left) });
    picture.replaceChildren(ranks(t('now.picture'), rows.slice(0, BARS_MAX), more));
  }

  // A till has one person at a time, whatever programs run on it. Of all other
  // devices each is asked for by itself, a few at once.
  async function look() {
    const counts = { env: {}, device: new Map() };
    const busy = async (env) => {
      const persons = [['envName', 'eq', env], ['authenticationType', 'eq', 'Bearer']];
      const page = await get(`sessions${query({ filters: persons, sort: 'deviceName', take: BARS_MAX })}`);
      for (const { identity } of page.items) counts.device.set(identity.deviceName, 1);
      counts.env[env] = page.totalCount;
    };
    const others = async (env) => (counts.env[env] = await count('sessions', ['envName', 'eq', env]));
    await Promise.all(environments.map((env) => (sells(env) ? busy(env) : others(env))));
    const shared = deviceList().filter((one) => one.isActive && !sells(one.envName) && counts.env[one.envName] > 0);
    await forEach(shared, async ({ name }) => counts.device.set(name, await count('sessions', ['deviceName', 'eq', name])));
    showPicture(counts);
    showTiles(counts);
  }

  let looked = 0;
  let listWaits = false;
  let pictureWaits = false;

  function catchUp() {
    const time = Date.now();
    if (document.hidden || time - touched > AWAY_MS) return;
    const isOld = time - listed > AGAIN_MS;
    if (isOld || (listWaits && time - listed > LIST_MS)) {
      list.refresh(listWaits);
      listWaits = false;
    }
    if (pictureWaits && time - looked > PICTURE_MS) {
      [looked, pictureWaits] = [time, false];
      look().catch(() => {});
    }
  }

  const stopChanges = onChanges((changes) => {
    const ended = new Map();
    for (const { p } of changes ?? []) {
      if (p.resource.name === 'session' && p.action === 'deleted') ended.set(p.resource.id, p.endReason);
    }
    for (const row of list.rows()) {
      const reason = ended.get(row.sessionId);
      if (reason && !row.endReason) {
        row.endReason = has(`reason.${reason}`) ? reason : 'revoked';
        row.state = 'over';
        list.again(row);
      }
    }
    const concerned = changes === null || changes.some((change) => change.p.resource.name === 'session');
    listWaits ||= concerned;
    pictureWaits ||= concerned;
    catchUp();
  });

  const events = ['pointermove', 'keydown', 'touchstart'];
  for (const event of events) document.addEventListener(event, touch, { passive: true });

  return {
    node: h('div', { class: 'view' }, h('div', { class: 'band' }, tiles, picture), list.node),
    async start() {
      await Promise.all([known(), list.reload()]);
      list.rows().forEach((row) => list.again(row));
      const nobody = { env: {}, device: new Map() };
      showTiles(nobody);
      showPicture(nobody);
      requestIdleCallback(() => look().catch(() => {}), { timeout: 500 });
    },
    tick() {
      list.tick();
      catchUp();
    },
    stop() {
      stopChanges();
      for (const event of events) document.removeEventListener(event, touch);
    },
  };
}
