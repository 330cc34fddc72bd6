import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What an Idempotency-Key is known by: the key itself is not kept. */
export function keyHashOf(teamId: string, idempotencyKey: string): string {
  return createHash('sha256').update(`${teamId}\0${idempotencyKey}`).digest('hex');
}

/** Only who sends the Idempotency-Key again can read the answer: it may be the one time that a secret was shown. */
export function seal(text: string, teamId: string, idempotencyKey: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, sealingKey(teamId, idempotencyKey), nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
}

export function unseal(bytes: Uint8Array, teamId: string, idempotencyKey: string): string {
  const sealed = Buffer.from(bytes);
  const decipher = createDecipheriv(ALGORITHM, sealingKey(teamId, idempotencyKey), sealed.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
}

function sealingKey(teamId: string, idempotencyKey: string): Buffer {
  return Buffer.from(hkdfSync('sha256', idempotencyKey, teamId, 'idempotency answer', 32));
}
