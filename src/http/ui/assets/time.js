// Time as the server knows it: the clock of a store PC or a phone may be wrong,
// so what is shown is reckoned from the server's.

import { t, tag } from './i18n.js';

let ahead = 0;

// `date` is the header of an answer to a question of `asked`.
export function setServerTime(date, asked) {
  const server = Date.parse(date ?? '');
  if (Number.isNaN(server)) return;
  // The header is cut to whole seconds; half of one is the best guess.
  const difference = server + 500 - (asked + Date.now()) / 2;
  if (Math.abs(difference - ahead) > 1500) ahead = difference;
}

export function now() {
  return Date.now() + ahead;
}

// 12 s, 5 min, 3 h 20 min, 2 d 4 h
export function span(millis) {
  const seconds = Math.max(0, Math.floor(millis / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return t('span.s', { s: seconds });
  if (minutes < 60) return t('span.m', { m: minutes });
  if (hours < 24) return minutes % 60 ? t('span.hm', { h: hours, m: minutes % 60 }) : t('span.h', { h: hours });
  return t('span.dh', { d: Math.floor(hours / 24), h: hours % 24 });
}

function isToday(date) {
  return date.toDateString() === new Date(now()).toDateString();
}

const formats = new Map();

function format(options) {
  const key = tag() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(tag(), options));
  return formats.get(key);
}

const CLOCK = { hour: '2-digit', minute: '2-digit' };

// The time of day, with the day unless it is today.
export function when(iso) {
  const date = new Date(iso);
  return format(isToday(date) ? CLOCK : { day: 'numeric', month: 'short', ...CLOCK }).format(date);
}

// The day and the time to the second.
export function moment(iso) {
  return format({ dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso));
}

// Everything, for whoever points at a time.
export function exact(iso) {
  return format({ dateStyle: 'full', timeStyle: 'medium' }).format(new Date(iso));
}
