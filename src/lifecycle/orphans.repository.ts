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
      rows.map(({ name, instanceId, novitaId, state }) => [name, { instanceId, novitaId, isLive: LIVE.includes(state) }]),
    );
  }

  /** Keeps since when each is known; returns those known since before `dueBefore`. */
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
    const rows = await this.prisma.orphan.findMany({
      where: { novitaId: { in: sightings.map(({ machine }) => machine.id) }, firstSeenAt: { lte: dueBefore } },
      orderBy: [{ attempts: 'asc' }, { firstSeenAt: 'asc' }],
      select: { novitaId: true },
    });
    return rows.flatMap(({ novitaId }) => sightings.filter(({ machine }) => machine.id === novitaId));
  }

  async recordRemoved({ machine }: OrphanSighting, removedAt: Date): Promise<void> {
    await this.prisma.orphan.update({
      where: { novitaId: machine.id },
      data: { removedAt, attempts: { increment: 1 } },
    });
  }
}
