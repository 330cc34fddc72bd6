import { Injectable } from '@nestjs/common';
import { addMs } from '../../clock.js';
import { PrismaService } from '../../database/prisma.service.js';
import { type AnyTx, run, type Statement } from '../../database/statement.js';

/** How long the answer to a key is kept. */
const KEPT_MS = 72 * 3_600_000;
const BATCH = 5_000;

export interface KeptAnswer {
  readonly fingerprint: string;
  readonly status: number;
  readonly answer: Uint8Array;
  readonly inFlightUntil: Date | null;
}

export interface KeyName {
  readonly teamId: string;
  readonly keyHash: string;
}

/** What became of an answer that was to be kept. */
export type Keeping = 'kept' | 'held-by-another' | 'answered-before';

const FIND: Statement = {
  name: 'idempotency-find',
  text: `
    SELECT fingerprint, status, answer, in_flight_until AS "inFlightUntil" FROM idempotency_keys
     WHERE team_id = $1 AND key_hash = $2 AND created_at > $3`,
};

const KEEP: Statement = {
  name: 'idempotency-keep',
  text: `
    WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS taken),
    kept AS (
      INSERT INTO idempotency_keys AS k (team_id, key_hash, fingerprint, status, answer, in_flight_until, created_at)
      SELECT $2, $3, $4, $5::int, $6::bytea, $7::timestamptz, $8::timestamptz FROM lock WHERE taken
      ON CONFLICT (team_id, key_hash) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer,
        in_flight_until = excluded.in_flight_until, created_at = excluded.created_at
      WHERE k.created_at <= $9
      RETURNING 1)
    SELECT CASE WHEN NOT taken THEN 'held-by-another' WHEN EXISTS (SELECT FROM kept) THEN 'kept' ELSE 'answered-before' END AS keeping
      FROM lock`,
};

@Injectable()
export class IdempotencyRepository {
  constructor(private readonly prisma: PrismaService) {}

  async find({ teamId, keyHash }: KeyName, now: Date): Promise<KeptAnswer | null> {
    const { rows } = await run<KeptAnswer>(this.prisma, FIND, [teamId, keyHash, addMs(now, -KEPT_MS)]);
    return rows[0] ?? null;
  }

  /** Holds the key until the transaction ends, and keeps the answer unless there is one already. */
  async keep({ teamId, keyHash }: KeyName, kept: KeptAnswer, now: Date, tx: AnyTx): Promise<Keeping> {
    const { fingerprint, status, answer, inFlightUntil } = kept;
    const values = [teamId, keyHash, fingerprint, status, answer, inFlightUntil, now, addMs(now, -KEPT_MS)];
    const { rows } = await run<{ keeping: Keeping }>(tx, KEEP, [`idempotency ${teamId} ${keyHash}`, ...values]);
    return rows[0]?.keeping ?? 'held-by-another';
  }

  /** False when the time for it is over: others may have been given the answer that was kept first. */
  async settle({ teamId, keyHash }: KeyName, answer: Uint8Array<ArrayBuffer>, now: Date): Promise<boolean> {
    const { count } = await this.prisma.idempotencyKey.updateMany({
      where: { teamId, keyHash, inFlightUntil: { gt: now } },
      data: { answer, inFlightUntil: null },
    });
    return count === 1;
  }

  async removeOld(now: Date): Promise<{ isFull: boolean }> {
    const removed = await this.prisma.$executeRaw`
      DELETE FROM idempotency_keys WHERE (team_id, key_hash) IN
        (SELECT team_id, key_hash FROM idempotency_keys WHERE created_at <= ${addMs(now, -KEPT_MS)} LIMIT ${BATCH})`;
    return { isFull: removed >= BATCH };
  }
}
