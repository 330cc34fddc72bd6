import { Injectable } from '@nestjs/common';
import type { Machine } from '../novita/novita-client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { HeldLease } from '../platform/database/leases.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { Sighting } from './domain/compare-listing.js';

const OBSERVER = 'observer';

@Injectable()
export class SweepRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** When the latest complete listing was begun. */
  async latestCompleteStart(): Promise<Date | null> {
    const row = await this.prisma.sweep.findUnique({ where: { name: OBSERVER }, select: { startedAt: true } });
    return row?.startedAt ?? null;
  }

  /** False when a fresher listing is recorded already, or the lease passed to another replica while this one was listing. */
  async claimListing(
    lease: HeldLease,
    startedAt: Date,
    completedAt: Date,
    machinesSeen: number,
    tx: Tx,
  ): Promise<boolean> {
    const count = await tx.$executeRaw`
      INSERT INTO sweeps AS s (name, started_at, completed_at, machines_seen)
      SELECT ${OBSERVER}, ${startedAt}, ${completedAt}, ${machinesSeen}
       WHERE EXISTS (SELECT FROM leases WHERE name = ${lease.name} AND token = ${lease.token})
      ON CONFLICT (name) DO UPDATE SET
        started_at = excluded.started_at, completed_at = excluded.completed_at, machines_seen = excluded.machines_seen
      WHERE s.started_at IS NULL OR s.started_at < excluded.started_at`;
    return count === 1;
  }

  /** Not passed on to another replica meanwhile, whose listing would be the fresher one; kept so until the transaction ends. */
  async holdsLease(lease: HeldLease, tx: Tx): Promise<boolean> {
    const rows = await tx.$queryRaw<unknown[]>`
      SELECT 1 AS held FROM leases WHERE name = ${lease.name} AND token = ${lease.token} FOR SHARE`;
    return rows.length === 1;
  }

  /** What changed, in one statement; an id that was not known yet is kept from now on. */
  async writeSightings(sightings: readonly Sighting[], seenAt: Date, tx: Tx): Promise<void> {
    if (sightings.length === 0) return;
    await tx.$executeRaw`
      UPDATE placements AS p SET
        novita_id = COALESCE(p.novita_id, u.novita_id),
        version = CASE WHEN p.novita_id IS NULL THEN p.version + 1 ELSE p.version END,
        seen_status = u.status,
        seen_raw_status = u.raw_status,
        seen_error = u.error,
        seen_spot_status = u.spot_status,
        seen_reclaim_at = u.reclaim_at,
        last_seen_at = ${seenAt},
        missing_since = NULL,
        missing_at = NULL,
        billed_from = CASE WHEN u.bills THEN COALESCE(p.billed_from, ${seenAt}) ELSE p.billed_from END
      FROM unnest(
        ${sightings.map(({ placement }) => placement.id)}::text[],
        ${sightings.map(({ machine }) => machine.id)}::text[],
        ${sightings.map(({ machine }) => machine.status)}::text[],
        ${sightings.map(({ machine }) => machine.rawStatus)}::text[],
        ${sightings.map(({ machine }) => machine.statusError)}::text[],
        ${sightings.map(({ machine }) => machine.spotStatus)}::text[],
        ${sightings.map(({ machine }) => machine.reclaimAt)}::timestamptz[],
        ${sightings.map(({ machine }) => isBilled(machine))}::boolean[]
      ) AS u (id, novita_id, status, raw_status, error, spot_status, reclaim_at, bills)
      WHERE p.id = u.id AND (p.last_seen_at IS NULL OR p.last_seen_at <= ${seenAt})`;
  }

  async writeMissing(placementIds: readonly string[], missingAt: Date, tx: Tx): Promise<void> {
    if (placementIds.length === 0) return;
    await tx.$executeRaw`
      UPDATE placements SET missing_since = COALESCE(missing_since, ${missingAt}), missing_at = ${missingAt}
       WHERE id = ANY(${[...placementIds]}::text[]) AND (last_seen_at IS NULL OR last_seen_at < ${missingAt})`;
  }
}

/** GPU time is billed from the image pull on. */
function isBilled({ status }: Machine): boolean {
  return status !== 'creating' && status !== 'other';
}
