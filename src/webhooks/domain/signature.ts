import { createHmac } from 'node:crypto';

/** Standard Webhooks, https://www.standardwebhooks.com: the headers that let a receiver check who sent these very bytes. */
export interface SignatureHeaders {
  'webhook-id': string;
  'webhook-timestamp': string;
  'webhook-signature': string;
}

export interface SignedMessage {
  /** The same on every try and replay of one event. */
  id: string;
  /** When this try is made; receivers refuse more than five minutes of distance. */
  sentAt: Date;
  body: Uint8Array;
}

export type SecretVerdict =
  { usable: true; key: Buffer } | { usable: false; because: 'empty' | 'not-base64' | 'too-short' | 'too-long' };

const PREFIX = 'whsec_';
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/** The current secret and, while a rotation lasts, at most two old ones. */
const MAX_SECRETS = 3;

/**
 * `whsec_` + base64 of 24 to 64 bytes, as the specification wants it. Any other text is the key itself, as UTF-8 bytes: its
 * receivers hand the library the raw text (`new Webhook(secret, { format: 'raw' })` in JavaScript).
 */
export function readSecret(secret: string): SecretVerdict {
  if (secret.trim() === '') return { usable: false, because: 'empty' };
  if (!secret.startsWith(PREFIX)) return { usable: true, key: Buffer.from(secret, 'utf8') };
  const encoded = secret.slice(PREFIX.length);
  if (encoded === '') return { usable: false, because: 'empty' };
  const key = Buffer.from(encoded, 'base64');
  // Buffer skips what it cannot read; only a round trip shows that nothing was skipped.
  if (key.toString('base64') !== encoded) return { usable: false, because: 'not-base64' };
  if (key.length < MIN_KEY_BYTES) return { usable: false, because: 'too-short' };
  if (key.length > MAX_KEY_BYTES) return { usable: false, because: 'too-long' };
  return { usable: true, key };
}

/** A new `whsec_` secret from 24 to 64 random bytes; 32 is the usual choice. */
export function makeSecret(randomBytes: Uint8Array): string {
  const secret = PREFIX + Buffer.from(randomBytes).toString('base64');
  keyOf(secret);
  return secret;
}

/** One signature for each secret, newest first, so that a receiver may change over at any time during a rotation. */
export function sign(message: SignedMessage, secrets: readonly string[]): SignatureHeaders {
  const named = unsigned(message);
  if (secrets.length === 0 || secrets.length > MAX_SECRETS)
    throw new RangeError(`Sign with 1 to ${MAX_SECRETS} secrets`);
  const timestamp = named['webhook-timestamp'];
  const signatures = secrets.map((secret) => {
    const hmac = createHmac('sha256', keyOf(secret)).update(`${message.id}.${timestamp}.`).update(message.body);
    return `v1,${hmac.digest('base64')}`;
  });
  return { ...named, 'webhook-signature': signatures.join(' ') };
}

/** The same without a signature, for as long as there is no secret. */
export function unsigned({ id, sentAt }: SignedMessage): Omit<SignatureHeaders, 'webhook-signature'> {
  // The signed text is "id.timestamp.body": a dot inside the id would let two messages share one signature.
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new RangeError('A webhook id is made of A-Z a-z 0-9 _ -');
  return { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)) };
}

function keyOf(secret: string): Buffer {
  const verdict = readSecret(secret);
  if (!verdict.usable) throw new RangeError(`The webhook secret cannot be used: ${verdict.because}`);
  return verdict.key;
}
