import { phasesOf } from './domain/instance.js';
import type { InstanceFilter } from './domain/instance-filter.js';

export interface Conditions {
  /** The same for every filter that asks by the same fields: there are few of them, so their statements can be prepared. */
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** A filter as SQL over the table `instances`. */
export function conditionsOf(filter: InstanceFilter): Conditions {
  const { teamId, status, region, product, name, labels, createdAfter, createdBefore, includeDeleted } = filter;
  const given: [name: string, text: string, value: unknown][] = [['team', 'team_id = ', teamId]];
  if (status !== undefined) given.push(['status', 'phase = ANY', phasesOf(status)]);
  if (region !== undefined) given.push(['region', 'region = ', region]);
  if (product !== undefined) given.push(['product', 'product_name = ', product]);
  if (name !== undefined) given.push(['name', 'name = ', name]);
  if (createdAfter !== undefined) given.push(['after', 'created_at > ', createdAfter]);
  if (createdBefore !== undefined) given.push(['before', 'created_at < ', createdBefore]);
  const exact = labels.flatMap(({ key, value }) => (value === null ? [] : [JSON.stringify({ [key]: value })]));
  // One by one: of two values for one key, no instance has both.
  if (exact.length > 0) given.push(['labels', 'labels @> ALL', exact]);
  const present = labels.flatMap(({ key, value }) => (value === null ? [key] : []));
  if (present.length > 0) given.push(['keys', 'labels ?& ', present]);
  const texts = given.map(([, text], index) => `${text}(${placeholder(text, index + 1)})`);
  return {
    name: `${given.map(([field]) => field.slice(0, 3)).join('-')}${includeDeleted ? '-all' : ''}`,
    text: [...texts, ...(includeDeleted ? [] : ['deleted_at IS NULL'])].join(' AND '),
    values: given.map(([, , value]) => value),
  };
}

function placeholder(text: string, position: number): string {
  return text === 'labels @> ALL' ? `$${position}::jsonb[]` : `$${position}`;
}
