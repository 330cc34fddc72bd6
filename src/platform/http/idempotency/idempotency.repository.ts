import { Injectable } from '@nestjs/common';
import { Batcher } from '../../batcher.js';
import { addMs } from '../../clock.js';
import { inOneGo, type Joint } from '../../database/in-one-go.js';
import { CONNECTED_WITHIN_MS, PrismaService } from '../../database/prisma.service.js';
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

/** For any number of keys; one row for each, in their order, null where there is no answer. */
const FIND: Statement = {
  name: 'idempotency-find',
  text: `
    SELECT fingerprint, status, answer, in_flight_until AS "inFlightUntil"
      FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS asked (team_id, key_hash, since, place)
      LEFT JOIN idempotency_keys AS k
             ON k.team_id = asked.team_id AND k.key_hash = asked.key_hash AND k.created_at > asked.since
     ORDER BY place`,
};

/** For any number of answers, of different keys. */
const KEEP: Statement = {
  name: 'idempotency-keep',
  text: `
    WITH asked AS MATERIALIZED (
      SELECT *, pg_try_advisory_xact_lock(hashtextextended('idempotency ' || team_id || ' ' || key_hash, 0)) AS taken
        FROM ROWS FROM (jsonb_to_recordset($1::jsonb) AS (team_id text, key_hash text, fingerprint text, status int, answer bytea,
                                                          in_flight_until timestamptz, created_at timestamptz)) WITH ORDINALITY
               AS given (team_id, key_hash, fingerprint, status, answer, in_flight_until, created_at, place)),
    kept AS (
      INSERT INTO idempotency_keys AS k (team_id, key_hash, fingerprint, status, answer, in_flight_until, created_at)
      SELECT team_id, key_hash, fingerprint, status, answer, in_flight_until, created_at FROM asked WHERE taken
      ON CONFLICT (team_id, key_hash) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer,
        in_flight_until = excluded.in_flight_until, created_at = excluded.created_at
      WHERE k.created_at <= excluded.created_at - $2::float8 * interval '1 millisecond'
      RETURNING team_id, key_hash)
    SELECT CASE WHEN NOT taken THEN 'held-by-another' WHEN kept.key_hash IS NOT NULL THEN 'kept' ELSE 'answered-before' END AS keeping
      FROM asked LEFT JOIN kept USING (team_id, key_hash) ORDER BY place`,
};

interface Asked {
  readonly name: KeyName;
  readonly now: Date;
}

interface Nothing {
  readonly fingerprint: null;
}

interface ToKeep {
  readonly name: KeyName;
  readonly kept: KeptAnswer;
  readonly now: Date;
}

const KEEPING: Joint<ToKeep, Keeping | undefined> = {
  async run(all, tx) {
    const rows = all.map(({ name, kept, now }) => ({
      team_id: name.teamId,
      key_hash: name.keyHash,
      fingerprint: kept.fingerprint,
      status: kept.status,
      answer: `\\x${Buffer.from(kept.answer).toString('hex')}`,
      in_flight_until: kept.inFlightUntil,
      created_at: now,
    }));
    return (await run<{ keeping: Keeping }>(tx, KEEP, [JSON.stringify(rows), KEPT_MS])).rows.map(
      ({ keeping }) => keeping,
    );
  },
};

/** Keys that are looked up at once, at most. */
const MAX_LOOK_UPS = 100;

@Injectable()
export class IdempotencyRepository {
  private readonly finds = new Batcher(
    (asked: readonly Asked[]) => this.findAll(asked),
    MAX_LOOK_UPS,
    CONNECTED_WITHIN_MS,
  );

  constructor(private readonly prisma: PrismaService) {}

  find(name: KeyName, now: Date): Promise<KeptAnswer | null> {
    return this.finds.add({ name, now });
  }

  /** Holds the key until the transaction ends, and keeps the answer unless there is one already. */
  async keep(name: KeyName, kept: KeptAnswer, now: Date, tx: AnyTx): Promise<Keeping> {
    return (await inOneGo(tx, KEEPING, { name, kept, now })) ?? 'held-by-another';
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

  private async findAll(asked: readonly Asked[]): Promise<readonly (KeptAnswer | null)[]> {
    const values = [
      asked.map(({ name }) => name.teamId),
      asked.map(({ name }) => name.keyHash),
      asked.map(({ now }) => addMs(now, -KEPT_MS)),
    ];
    const { rows } = await run<KeptAnswer | Nothing>(this.prisma, FIND, values);
    return rows.map((row) => (row.fingerprint === null ? null : row));
  }
}
