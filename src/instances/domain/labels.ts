export const MAX_LABELS = 20;

/** As in Kubernetes, so that labels can be taken over from there: letters, digits and inner `-`, `_`, `.`, `/`. */
const KEY = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]{0,126}[A-Za-z0-9])?)?$/;

export type Labels = Readonly<Record<string, string>>;

/** One condition of a filter; without a value: the label is there at all. */
export interface LabelCondition {
  readonly key: string;
  readonly value: string | null;
}

/** Why something is no set of labels; null when it is one. */
export function refusalOfLabels(labels: unknown): string | null {
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return 'must be an object of texts';
  const entries = Object.entries(labels);
  if (entries.length > MAX_LABELS) return `must hold at most ${MAX_LABELS} labels`;
  if (entries.some(([key]) => !KEY.test(key)))
    return 'a label’s name must be 1 to 63 letters, digits and inner - _ . /';
  const isGood = (value: unknown) => typeof value === 'string' && VALUE.test(value);
  return entries.every(([, value]) => isGood(value))
    ? null
    : 'a label’s value must be a text of at most 128 letters, digits and inner - _ . : / @ +';
}

/** `env=prod,tier` → env is prod, and there is a tier. Null for what is no such list. */
export function parseLabelConditions(text: string): LabelCondition[] | null {
  const conditions = text.split(',').map((part) => {
    const [key = '', value = null] = part.split(/=(.*)/s, 2);
    return KEY.test(key) && (value === null || VALUE.test(value)) ? { key, value } : null;
  });
  const good = conditions.filter((condition) => condition !== null);
  return good.length === conditions.length && good.length <= MAX_LABELS ? good : null;
}
