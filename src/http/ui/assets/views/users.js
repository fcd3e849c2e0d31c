// People: who they are, where they may log in and as what.

import { call, get, path, query } from '../api.js';
import { confirm } from '../dialog.js';
import { button, h, name } from '../dom.js';
import { ask, custom, text, tick } from '../form.js';
import { t } from '../i18n.js';
import { directoryView, menu, named, removing } from '../directory.js';
import { deviceList, roleList } from '../names.js';
import { endAll } from '../sessions.js';
import { say } from '../shell.js';
import { pick, search, table } from '../table.js';

// Where a person may log in: one row for each device, the roles beside it.
function places(user) {
  const rows = deviceList().map((device) => {
    const entry = user.devices?.find((one) => one.name === device.name);
    const may = h('input', { type: 'checkbox', checked: entry?.isActive ?? false, 'aria-label': t('users.may', { device: device.name }) });
    const roles = roleList().map((role) => {
      const box = h('input', { type: 'checkbox', checked: entry?.roles.includes(role.name) ?? false });
      return { role, box, node: h('label', { class: 'chip' }, box, name(role.label || role.name)) };
    });
    const chips = h('div', { class: 'chips' }, roles.map((one) => one.node));
    const sync = () => (chips.hidden = !may.checked);
    may.addEventListener('change', sync);
    sync();
    const node = h('div', { class: 'place' }, h('label', null, may, name(device.name, { class: 'strong' }), h('span', { class: 'hint' }, t(`env.${device.envName}`))), chips);
    const read = () => {
      const chosen = roles.filter((one) => one.box.checked).map((one) => one.role.name);
      return may.checked || entry ? { name: device.name, isActive: may.checked, roles: chosen } : null;
    };
    return { node, read };
  });
  const node = h('fieldset', null, h('legend', null, t('users.places')), rows.length === 0 && h('p', { class: 'hint' }, t('users.noplaces')), rows.map((row) => row.node));
  return custom('devices', node, () => rows.map((row) => row.read()).filter(Boolean));
}

// Off unless somebody wants it: few programs of tills let people choose one.
const mustChange = (value) => tick('mustChangePassword', t('users.mustChange'), value, { hint: t('users.mustChange.hint') });

function fields(user, isNew) {
  return [
    text('userName', t('users.login'), user.userName, { hint: t('users.login.hint'), required: true }),
    text('name', t('users.name'), user.name),
    isNew && text('password', t('password.new'), '', { type: 'password', autocomplete: 'new-password', hint: t('users.password.hint') }),
    tick('isActive', t('users.active'), user.isActive ?? true),
    mustChange(user.mustChangePassword ?? false),
    places(user),
  ].filter(Boolean);
}

async function create() {
  const made = await ask(t('users.new'), fields({}, true), {
    label: t('create'),
    send: ({ password, name: full, ...body }) =>
      call('POST', 'users', { ...body, ...(full ? { name: full } : {}), ...(password ? { password } : {}) }),
  });
  if (made) say(t('created', { name: made.name }));
  return made;
}

async function edit(row) {
  const user = await get(path('users', row.id));
  const saved = await ask(t('users.edit', { name: user.name }), fields(user, false), {
    label: t('save'),
    intro: t('users.edit.intro'),
    send: (values) => call('PUT', path('users', user.id), { ...user, ...values }),
  });
  if (saved) say(t('saved', { name: saved.name }));
}

async function setPassword(user) {
  const done = await ask(
    t('users.setPassword', { name: user.name }),
    [
      text('password', t('password.new'), '', { type: 'password', autocomplete: 'new-password', required: true }),
      mustChange(false),
    ],
    {
      label: t('password.change'),
      intro: t('users.setPassword.intro', { name: user.name }),
      send: async (values) => call('PUT', path('users', user.id), { ...(await get(path('users', user.id))), ...values }),
    },
  );
  if (done) say(t('password.changed'));
}

const unlock = (user) =>
  confirm({
    title: t('users.unlock', { name: user.name }),
    text: t('users.unlock.text'),
    label: t('users.unlock.go'),
    kind: 'primary',
    act: () => call('DELETE', path('users', user.id, 'lock')),
    done: () => t('users.unlocked', { name: user.name }),
  });

const remove = removing('users', (user) => user.id, (user) => user.name, 'users.delete.text');

export default function usersView({ may }) {
  const more = (user) => {
    const entries = [
      may('userUpdate') && button(t('users.setPassword.go'), () => setPassword(user), 'quiet'),
      may('userUpdate') && button(t('users.unlock.go'), () => unlock(user), 'quiet'),
      may('sessionDeleteAny') && button(t('end.all'), () => endAll('userName', user.userName), 'quiet'),
      may('userDelete') && button(t('delete'), () => remove(user), 'quiet danger'),
    ];
    return menu(user.userName, entries);
  };
  const list = table({
    label: t('nav.users'),
    sort: 'name',
    empty: t('users.empty'),
    filters: [
      search(t('users.search'), (typed) => [['name', 'contains', typed]]),
      pick(t('state'), [['', t('state.all')], ['true', t('state.on')], ['false', t('state.off')]], (value) => [['isActive', 'eq', value]]),
    ],
    tools: may('userCreate') ? [button(t('users.new'), async () => (await create()) && list.reload(), 'primary')] : [],
    columns: [
      { key: 'name', label: t('users.name'), sort: 'name', cell: (row) => name(row.name, { class: 'strong' }) },
      { key: 'login', label: t('users.login'), sort: 'userName', cell: (row) => name(row.userName) },
      { key: 'places', label: t('users.where'), cell: (row) => row.devices.filter((one) => one.isActive).map((one) => h('span', { class: 'tag' }, name(one.name))) },
      { key: 'state', label: t('state'), sort: 'isActive', cell: (row) => h('span', { class: row.isActive ? 'good' : 'off' }, t(row.isActive ? 'state.on' : 'state.off')) },
    ],
    actions: (row) => [may('userUpdate') && button(t('edit'), () => edit(row), 'small', named(t('edit'), row.userName)), more(row)],
    load: (wanted) => get(`users${query(wanted)}`),
  });
  return directoryView(list, 'user');
}
