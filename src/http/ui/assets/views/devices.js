// Tills, handhelds, office PCs and programs.

import { call, get, path, query } from '../api.js';
import { directoryView, menu, named, removing } from '../directory.js';
import { button, h, name } from '../dom.js';
import { ask, choice, text, tick } from '../form.js';
import { t } from '../i18n.js';
import { endAll, environments } from '../sessions.js';
import { say } from '../shell.js';
import { pick, search, table } from '../table.js';

const environment = (value) => choice('envName', t('env'), value, environments.map((one) => [one, t(`env.${one}`)]), { hint: t('env.hint') });

async function create() {
  const fields = [
    text('name', t('devices.name'), '', { hint: t('devices.name.hint'), required: true }),
    environment('CashRegister'),
    text('description', t('description')),
  ];
  const made = await ask(t('devices.new'), fields, { label: t('create'), send: (values) => call('POST', 'devices', values) });
  if (made) say(t('created', { name: made.name }));
  return made;
}

async function edit(row) {
  const device = await get(path('devices', row.name));
  const fields = [environment(device.envName), text('description', t('description'), device.description), tick('isActive', t('devices.active'), device.isActive)];
  const saved = await ask(t('users.edit', { name: device.name }), fields, {
    label: t('save'),
    intro: t('devices.edit.intro'),
    send: (values) => call('PUT', path('devices', device.name), { ...device, ...values }),
  });
  if (saved) say(t('saved', { name: saved.name }));
}

const remove = removing('devices', (row) => row.name, (row) => row.name, 'devices.delete.text');

export default function devicesView({ may }) {
  const list = table({
    label: t('nav.devices'),
    sort: 'name',
    empty: t('devices.empty'),
    filters: [
      search(t('devices.search'), (typed) => [['name', 'contains', typed]]),
      pick(t('env'), [['', t('env.all')], ...environments.map((one) => [one, t(`env.${one}`)])], (value) => [['envName', 'eq', value]]),
    ],
    tools: may('deviceCreate') ? [button(t('devices.new'), async () => (await create()) && list.reload(), 'primary')] : [],
    columns: [
      { key: 'name', label: t('device'), sort: 'name', cell: (row) => name(row.name, { class: 'strong' }) },
      { key: 'env', label: t('env'), sort: 'envName', cell: (row) => t(`env.${row.envName}`) },
      { key: 'description', label: t('description'), sort: 'description', cell: (row) => name(row.description) },
      { key: 'state', label: t('state'), sort: 'isActive', cell: (row) => h('span', { class: row.isActive ? 'good' : 'off' }, t(row.isActive ? 'state.on' : 'state.off')) },
    ],
    actions: (row) => [
      may('deviceUpdate') && button(t('edit'), () => edit(row), 'small', named(t('edit'), row.name)),
      menu(row.name, [
        may('sessionDeleteAny') && button(t('end.all'), () => endAll('deviceName', row.name), 'quiet'),
        may('deviceDelete') && button(t('delete'), () => remove(row), 'quiet danger'),
      ]),
    ],
    load: (wanted) => get(`devices${query(wanted)}`),
  });
  return directoryView(list, 'device');
}
