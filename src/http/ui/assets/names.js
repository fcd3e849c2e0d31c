// Who the users are and what the devices are called, kept for all views.

import { get } from './api.js';
import { h, name } from './dom.js';
import { onChanges } from './live.js';

let users = new Map();
let devices = new Map();
let roles = [];
let loading = null;

async function all(kind) {
  const page = await get(`${kind}?$take=10000`);
  return page.items;
}

async function fetchAll() {
  const [people, places, parts] = await Promise.all([all('users'), all('devices'), all('roles')]);
  users = new Map(people.map((user) => [user.userName, user]));
  devices = new Map(places.map((device) => [device.name, device]));
  roles = parts;
}

// Ready when the names are known.
export function known() {
  loading ??= fetchAll().finally(() => (loading = null));
  return loading;
}

export const userList = () => [...users.values()];
export const deviceList = () => [...devices.values()];
export const roleList = () => roles;
export const deviceOf = (deviceName) => devices.get(deviceName);

export const fullName = (userName) => users.get(userName)?.name || userName;

// A person: the full name, and the login name where it differs.
export function person(userName) {
  const full = fullName(userName);
  return h('span', { class: 'person' }, name(full, { class: 'strong' }), full !== userName && name(userName, { class: 'hint' }));
}

export function device(deviceName) {
  return name(deviceName, { class: 'strong' });
}

// A filter for people by what is typed: full names and login names.
export function personFilter(member) {
  return (text) => {
    const wanted = text.toLocaleLowerCase();
    const found = userList().filter((user) => `${user.name}\n${user.userName}`.toLocaleLowerCase().includes(wanted));
    if (found.length === 0 || found.length > 100) return [[member, 'contains', text]];
    return [[member, 'in', ...found.map((user) => user.userName)]];
  };
}

onChanges((changes) => {
  const concerned = changes === null || changes.some((change) => change.p.resource.name !== 'session');
  return concerned && users.size > 0 ? known() : undefined;
});
