import { Injectable } from '@nestjs/common';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Claim, OrphanSighting } from './domain/find-orphans.js';

const LIVE = ['intended', 'confirmed', 'retiring'];

interface ClaimRow {
  readonly name: string;
  readonly instanceId: string;
  readonly novitaId: string | null;
  readonly state: string;
}

@Injectable()
export class OrphansRepository {
  constructor(private readonly prisma: PrismaService) {}

  /** What the rows say about machine names. */
  async readClaims(names: readonly string[]): Promise<ReadonlyMap<string, Claim>> {
    const rows = await this.prisma.$queryRaw<ClaimRow[]>`
      SELECT unique_name AS name, instance_id AS "instanceId", novita_id AS "novitaId", state
        FROM placements WHERE unique_name = ANY(${[...names]}::text[])`;
    return new Map(
      rows.map(({ name, instanceId, novitaId, state }) => [
        name,
        { instanceId, novitaId, isLive: LIVE.includes(state) },
      ]),
    );
  }

  /** Those that a complete listing does not show as unclaimed any more are no orphans, whoever removed or claimed them. */
  async forgetOthers(novitaIds: readonly string[], seenAt: Date): Promise<void> {
    const where = { removedAt: null, firstSeenAt: { lt: seenAt }, novitaId: { notIn: [...novitaIds] } };
    await this.prisma.orphan.updateMany({ where, data: { removedAt: seenAt } });
  }

  /** Keeps since when each is known; returns those known since before `dueBefore`, those first that were tried least. */
  async note(sightings: readonly OrphanSighting[], seenAt: Date, dueBefore: Date): Promise<OrphanSighting[]> {
    await this.prisma.orphan.createMany({
      data: sightings.map(({ machine, instanceId }) => ({
        novitaId: machine.id,
        name: machine.name,
        instanceId,
        firstSeenAt: seenAt,
      })),
      skipDuplicates: true,
    });
    const novitaId = { in: sightings.map(({ machine }) => machine.id) };
    // Also one whose delete was answered and that is there all the same.
    await this.prisma.orphan.updateMany({ where: { novitaId, removedAt: { not: null } }, data: { removedAt: null } });
    const rows = await this.prisma.orphan.findMany({
      where: { novitaId, firstSeenAt: { lte: dueBefore } },
      orderBy: [{ attempts: 'asc' }, { firstSeenAt: 'asc' }],
      select: { novitaId: true },
    });
    return rows.flatMap((row) => sightings.filter(({ machine }) => machine.id === row.novitaId));
  }

  /** It goes behind those that were not tried so often: what cannot be removed must not hold up what can. */
  async recordTry({ machine }: OrphanSighting): Promise<void> {
    await this.prisma.orphan.update({ where: { novitaId: machine.id }, data: { attempts: { increment: 1 } } });
  }

  async recordRemoved({ machine }: OrphanSighting, removedAt: Date): Promise<void> {
    await this.prisma.orphan.update({ where: { novitaId: machine.id }, data: { removedAt } });
  }
}
