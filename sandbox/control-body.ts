import { invalidParameter } from './refusal.ts';

export interface ControlCall {
  query: URLSearchParams;
  body: unknown;
}

export function field(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? (Reflect.get(body, name) as unknown) : undefined;
}

export function required(body: unknown, name: string): unknown {
  const value = field(body, name);
  if (value === undefined) throw invalidParameter(`${name} is required`);
  return value;
}

export function number(body: unknown, name: string, absent?: number): number {
  const value = field(body, name) ?? absent;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalidParameter(`${name} must be a number`);
  return value;
}

export function optionalText(body: unknown, name: string): string | undefined {
  const value = field(body, name);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalidParameter(`${name} must be a string`);
  return value;
}

export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [value];
}

/** The named numbers that the body gives; `ok` is allowed for the reader's sake, it is what is left over. */
export function probabilities(body: unknown, names: readonly string[]): Record<string, number> {
  const given: Record<string, number> = {};
  for (const name of names) if (field(body, name) !== undefined) given[name] = number(body, name);
  return given;
}
