// Pictures out of numbers, as SVG, each with the same in words for whoever does
// not see it.

import { h, svg } from './dom.js';
import { number } from './i18n.js';

function described(title, rows, picture) {
  const words = rows.map(([label, ...values]) => `${label}: ${values.map(number).join(' / ')}`).join('; ');
  picture.setAttribute('role', 'img');
  picture.setAttribute('aria-label', `${title}. ${words}`);
  return picture;
}

function nice(most) {
  const step = 10 ** Math.floor(Math.log10(Math.max(1, most)));
  return [1, 2, 5, 10].map((factor) => factor * step).find((top) => top >= most) ?? most;
}

// Two bars for each hour: `hours` holds [label, first, second].
export function hours(title, names, rows) {
  const narrow = matchMedia('(max-width: 820px)').matches;
  const [width, height, left, bottom] = narrow ? [320, 190, 30, 22] : [960, 210, 34, 22];
  const every = narrow ? 6 : 3;
  const top = nice(Math.max(4, ...rows.flatMap(([, a, b]) => [a, b])));
  const slot = (width - left) / rows.length;
  const y = (value) => (height - bottom) * (1 - value / top) + 6;
  const lines = [0, top / 2, top].map((value) => [
    svg('line', { x1: left, x2: width, y1: y(value), y2: y(value), class: 'grid' }),
    svg('text', { x: left - 6, y: y(value) + 4, class: 'axis end' }, number(value)),
  ]);
  const bars = rows.map(([label, ...values], at) => {
    const x = left + at * slot;
    const bar = (value, place) =>
      svg('rect', { x: x + slot * (place ? 0.52 : 0.16), width: slot * 0.32, y: y(value), height: y(0) - y(value), rx: 2, class: `bar-${place}` });
    return [
      values.map(bar),
      at % every === 0 && svg('text', { x: x + slot / 2, y: height - 2, class: 'axis middle' }, label),
      svg('rect', { x, y: 0, width: slot, height: height - bottom, class: 'touch' }, svg('title', null, `${label}: ${names[0]} ${number(values[0])}, ${names[1]} ${number(values[1])}`)),
    ];
  });
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, class: 'chart' }, ...lines.flat(), ...bars.flat(3).filter(Boolean));
  const legend = names.map((one, place) => h('span', { class: `key key-${place}` }, one));
  return h('figure', null, h('figcaption', null, h('h2', null, title), h('span', { class: 'legend', 'aria-hidden': 'true' }, legend)), described(`${title} (${names.join(' / ')})`, rows, picture));
}

// One bar for each row: [label, value]. Names are texts of their own, so that
// they are as large as all others at every width.
export function ranks(title, rows, more) {
  const most = Math.max(1, ...rows.map(([, value]) => value));
  const line = ([label, value]) => {
    const bar = svg('svg', { viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    bar.append(svg('rect', { width: 100, height: 8, rx: 1, class: 'track' }), svg('rect', { width: (100 * value) / most, height: 8, rx: 1, class: 'bar-0' }));
    return h('li', null, h('bdi', null, label), bar, h('span', { class: 'value' }, number(value)));
  };
  return h('figure', { class: 'ranks' }, h('figcaption', null, h('h2', null, title)), h('ul', null, rows.map(line)), more && h('p', { class: 'hint' }, more));
}
