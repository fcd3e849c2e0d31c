// The texts of the page in the person's language: the one chosen here before,
// else the browser's, else English.

const TAGS = { en: 'en-GB', sk: 'sk-SK' };
const KEPT = 'tillgate.language';

let language = 'en';
let texts = {};

function preferred() {
  let kept = null;
  try {
    kept = localStorage.getItem(KEPT);
  } catch {
    // A browser that keeps nothing is asked for its languages each time.
  }
  const wanted = [kept, ...navigator.languages].filter(Boolean).map((one) => one.slice(0, 2).toLowerCase());
  return wanted.find((one) => one in TAGS) ?? 'en';
}

export async function load(chosen) {
  if (chosen) {
    try {
      localStorage.setItem(KEPT, chosen);
    } catch {
      // Then it is for this visit only.
    }
  }
  language = chosen ?? preferred();
  texts = (await import(`./lang/${language}.js`)).default;
  document.documentElement.lang = language;
}

export const tag = () => TAGS[language];
export const current = () => language;
export const languages = { en: 'English', sk: 'Slovenčina' };

// A text, its {placeholders} filled in. One with forms for numbers is chosen by
// the value `n`.
export function t(key, values = {}) {
  let text = texts[key] ?? key;
  if (typeof text === 'object') {
    text = text[new Intl.PluralRules(tag()).select(values.n)] ?? text.other;
  }
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export const has = (key) => key in texts;

export function number(value) {
  return new Intl.NumberFormat(tag()).format(value);
}
