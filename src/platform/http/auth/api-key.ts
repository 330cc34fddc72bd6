import { randomInt } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** Scanners for leaked secrets find a key by this; the checksum tells a key from a text that only looks like one. */
const PREFIX = 'ngpu';
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 43 characters of 62 are 256 bits. */
const SECRET_LENGTH = 43;
const CHECKSUM_LENGTH = 6;
const SHAPE = /^ngpu_([a-z0-9]{1,12})_(key[0-9a-z]{16})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

/** Anything that looks like one of our keys, for the log to leave out. */
export const API_KEY_PATTERN = String.raw`ngpu_[a-z0-9]{1,12}_key[0-9a-z]{16}_[0-9A-Za-z]{8,}`;

/** What a text says of itself, before anybody looks into the database. */
export type KeyVerdict =
  | { readonly kind: 'well-formed'; readonly keyId: string }
  | { readonly kind: 'malformed'; readonly because: 'shape' | 'environment' | 'checksum' };

/** `ngpu_ENVIRONMENT_KEYID_SECRET`, the last six characters being a CRC-32 of all before them. */
export function formatApiKey(environment: string, keyId: string, secret: string): string {
  const body = `${PREFIX}_${environment}_${keyId}_${secret}`;
  return body + checksumOf(body);
}

export function judgeApiKey(text: string, environment: string): KeyVerdict {
  const [, keyEnvironment, keyId] = SHAPE.exec(text) ?? [];
  if (keyEnvironment === undefined || keyId === undefined) return { kind: 'malformed', because: 'shape' };
  if (checksumOf(text.slice(0, -CHECKSUM_LENGTH)) !== text.slice(-CHECKSUM_LENGTH))
    return { kind: 'malformed', because: 'checksum' };
  if (keyEnvironment !== environment) return { kind: 'malformed', because: 'environment' };
  return { kind: 'well-formed', keyId };
}

/** The id in what has the shape and the checksum of a key, whether or not such a key exists. */
export function keyIdIn(text: string): string | null {
  const [, environment, keyId] = SHAPE.exec(text) ?? [];
  if (environment === undefined || keyId === undefined) return null;
  return judgeApiKey(text, environment).kind === 'well-formed' ? keyId : null;
}

export function newSecret(): string {
  return Array.from({ length: SECRET_LENGTH }, () => BASE62.charAt(randomInt(BASE62.length))).join('');
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let place = 0; place < CHECKSUM_LENGTH; place += 1) {
    digits = BASE62.charAt(rest % BASE62.length) + digits;
    rest = Math.floor(rest / BASE62.length);
  }
  return digits;
}
