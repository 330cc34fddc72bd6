// C0 and C1 controls and DEL, without tab, line feed and carriage return. Postgres refuses U+0000, terminals obey many others.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

// With the u flag a pair is one character, so this finds halves only. Postgres would store them as another character.
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Names that lead to the prototype of an object; no caller has a use for them. */
export const POISON: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Why a text cannot be taken in and given back unchanged, or null. */
export function refusalOfText(text: string): string | null {
  if (CONTROL.test(text)) return 'contains a control character';
  return LONE_SURROGATE.test(text) ? 'contains a lone surrogate, which is not a character' : null;
}

/** Keeps what a caller sent from filling the answer that refuses it. */
export function shortened(text: string, maxLength = 100): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength)}…`;
}
