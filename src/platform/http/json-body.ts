import { InvalidRequest } from '../app-error.js';
import { POISON, refusalOfText, shortened } from './text-rules.js';

export const BODY_LIMIT_BYTES = 1_048_576;
const MAX_DEPTH = 32;
/** Commas and colons outside strings: a bound on keys and items that is known before anything is built from them. */
const MAX_SEPARATORS = 10_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/**
 * Bytes to the object that they say. Of a key that comes twice the last one wins, as JSON.parse has it.
 * @throws InvalidRequest for anything that is not one object, or that could not be stored and given back unchanged.
 */
export function parseJsonBody(bytes: Buffer): Record<string, unknown> {
  if (bytes.length === 0) throw new InvalidRequest('body', 'The body is empty');
  refuseWideOrDeep(bytes);
  const body = parse(decode(bytes));
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new InvalidRequest('body', 'The body must be a JSON object');
  inspect(body, '');
  return body as Record<string, unknown>;
}

function refuseWideOrDeep(bytes: Buffer): void {
  let depth = 0;
  let separators = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === BRACKET_OPEN || byte === BRACE_OPEN) depth++;
    else if (byte === BRACKET_CLOSE || byte === BRACE_CLOSE) depth--;
    else if (byte === COMMA || byte === COLON) separators++;
    if (depth > MAX_DEPTH) throw new InvalidRequest('body', `The body is nested deeper than ${MAX_DEPTH} levels`);
    if (separators > MAX_SEPARATORS) throw new InvalidRequest('body', 'The body has too many values');
  }
}

function decode(bytes: Buffer): string {
  try {
    // A byte order mark stays in the text, where JSON.parse refuses it, as RFC 8259 allows.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new InvalidRequest('body', 'The body is not UTF-8');
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidRequest('body', 'The body is not valid JSON');
  }
}

/** Depth is bounded before this runs, so it may call itself. */
function inspect(value: unknown, path: string): void {
  if (typeof value === 'string') return refuseText(value, path);
  if (typeof value === 'number') return refuseNumber(value, path);
  if (Array.isArray(value)) return value.forEach((item, index) => inspect(item, `${path}[${index}]`));
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const inside = path === '' ? key : `${path}.${key}`;
    if (POISON.has(key)) throw new InvalidRequest(shortened(inside), 'This name is not allowed');
    const refusal = refusalOfText(key);
    // The name itself is what cannot be repeated, so the answer names where it stands.
    if (refusal) throw new InvalidRequest(path === '' ? 'body' : shortened(path), `A name ${refusal}`);
    inspect(inner, inside);
  }
}

function refuseText(text: string, path: string): void {
  const refusal = refusalOfText(text);
  if (refusal) throw new InvalidRequest(shortened(path), `The text ${refusal}`);
}

function refuseNumber(number: number, path: string): void {
  // Beyond these, what was read is no longer the number that was written.
  const exact = Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (!exact || Object.is(number, -0)) throw new InvalidRequest(shortened(path), 'The number cannot be kept exactly');
}
