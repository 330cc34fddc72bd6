import { createHash } from 'node:crypto';
import type { KeptAuditEntry } from './audit.repository.js';

/** Stands for a batch of entries, and for all of those before it: its hash holds the one of the seal before. */
export interface Seal {
  readonly number: bigint;
  /** The last entry of its batch. */
  readonly throughTxId: bigint;
  readonly throughPosition: bigint;
  readonly entries: number;
  readonly hash: string;
  readonly sealedAt: Date;
}

export const BEFORE_THE_FIRST = { number: 0n, throughTxId: 0n, throughPosition: 0n, hash: '0'.repeat(64) };

/** The next link of the chain. @param entries at least one, in the order of their transactions */
export function sealOf(
  previous: Pick<Seal, 'number' | 'hash'>,
  entries: readonly KeptAuditEntry[],
  sealedAt: Date,
): Seal {
  const last = entries.at(-1);
  if (last === undefined) throw new Error('There is nothing to seal');
  const number = previous.number + 1n;
  return {
    number,
    throughTxId: last.txId,
    throughPosition: last.position,
    entries: entries.length,
    hash: hashOf(number, previous.hash, entries),
    sealedAt,
  };
}

export function hashOf(number: bigint, previousHash: string, entries: readonly KeptAuditEntry[]): string {
  const hash = createHash('sha256').update(JSON.stringify([String(number), previousHash]));
  for (const entry of entries) hash.update('\n').update(textOf(entry));
  return hash.digest('hex');
}

/** Every column, in an order that never changes: what is missing here could be changed unseen. */
function textOf(entry: KeptAuditEntry): string {
  const { txId, position, at, teamId, actor, action, method, route, target, outcome, status } = entry;
  const { errorCode, requestId, ip, beforeHash, afterHash } = entry;
  const who = [String(txId), String(position), at.toISOString(), teamId, actor, action, method, route, target];
  return JSON.stringify([...who, outcome, status, errorCode, requestId, ip, beforeHash, afterHash]);
}
