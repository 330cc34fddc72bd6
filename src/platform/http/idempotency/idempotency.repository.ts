import { Injectable } from '@nestjs/common';
import { addMs } from '../../clock.js';
import { PrismaService } from '../../database/prisma.service.js';
import type { Tx } from '../../database/unit-of-work.js';

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

@Injectable()
export class IdempotencyRepository {
  constructor(private readonly prisma: PrismaService) {}

  async find({ teamId, keyHash }: KeyName, now: Date): Promise<KeptAnswer | null> {
    const row = await this.prisma.idempotencyKey.findUnique({ where: { teamId_keyHash: { teamId, keyHash } } });
    return row !== null && row.createdAt > addMs(now, -KEPT_MS) ? row : null;
  }

  /** Until the transaction ends; false while another one holds the key. */
  async tryLock({ teamId, keyHash }: KeyName, tx: Tx): Promise<boolean> {
    const rows = await tx.$queryRaw<{ locked: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtextextended(${`idempotency ${teamId} ${keyHash}`}, 0)) AS locked`;
    return rows[0]?.locked ?? false;
  }

  /** False when there is an answer already. */
  async insert({ teamId, keyHash }: KeyName, kept: KeptAnswer, now: Date, tx: Tx): Promise<boolean> {
    const { fingerprint, status, answer, inFlightUntil } = kept;
    const count = await tx.$executeRaw`
      INSERT INTO idempotency_keys AS k (team_id, key_hash, fingerprint, status, answer, in_flight_until, created_at)
      VALUES (${teamId}, ${keyHash}, ${fingerprint}, ${status}, ${answer}, ${inFlightUntil}, ${now})
      ON CONFLICT (team_id, key_hash) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, answer = excluded.answer,
        in_flight_until = excluded.in_flight_until, created_at = excluded.created_at
      WHERE k.created_at <= ${addMs(now, -KEPT_MS)}`;
    return count === 1;
  }

  /** False when the time for it is over: others may have been given the answer that was kept first. */
  async settle({ teamId, keyHash }: KeyName, answer: Uint8Array<ArrayBuffer>, now: Date): Promise<boolean> {
    const { count } = await this.prisma.idempotencyKey.updateMany({
      where: { teamId, keyHash, inFlightUntil: { gt: now } },
      data: { answer, inFlightUntil: null },
    });
    return count === 1;
  }

  async removeOld(now: Date): Promise<void> {
    await this.prisma.$executeRaw`
      DELETE FROM idempotency_keys WHERE (team_id, key_hash) IN
        (SELECT team_id, key_hash FROM idempotency_keys WHERE created_at <= ${addMs(now, -KEPT_MS)} LIMIT ${BATCH})`;
  }
}
