import { Injectable } from '@nestjs/common';
import { NOTIFIED_TYPES, type NotifiedType } from '../events/event.js';
import { Prisma, type WebhookEndpoint as EndpointRow } from '../generated/prisma/client.js';
import { PrismaService } from '../platform/database/prisma.service.js';
import type { Page } from '../platform/http/pagination.js';
import type { Tx } from '../platform/database/unit-of-work.js';
import type { DisabledReason, Endpoint, EndpointKind, EndpointState, SealedSecret } from './domain/endpoint.js';

const NOT_DELETED = { state: { not: 'deleted' } };

@Injectable()
export class EndpointsRepository {
  constructor(private readonly prisma: PrismaService) {}

  async insert(endpoint: Endpoint, tx: Tx): Promise<void> {
    await tx.webhookEndpoint.create({ data: toRow(endpoint) });
  }

  /** Counted under a lock, so that two requests at once do not both find room. */
  async countSubscriptions(teamId: string, tx: Tx): Promise<number> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('webhooks'), hashtext(${teamId}))`;
    return tx.webhookEndpoint.count({ where: { teamId, kind: 'subscription', ...NOT_DELETED } });
  }

  async findForTeam(id: string, teamId: string): Promise<Endpoint | null> {
    const row = await this.prisma.webhookEndpoint.findFirst({ where: { id, teamId, ...NOT_DELETED } });
    return row && toEndpoint(row);
  }

  /** As {@link findForTeam}, and nobody else changes it until the transaction ends. */
  async lockForTeam(id: string, teamId: string, tx: Tx): Promise<Endpoint | null> {
    await tx.$executeRaw`SELECT FROM webhook_endpoints WHERE id = ${id} AND team_id = ${teamId} FOR NO KEY UPDATE`;
    const row = await tx.webhookEndpoint.findFirst({ where: { id, teamId, ...NOT_DELETED } });
    return row && toEndpoint(row);
  }

  async list(teamId: string, page: Page): Promise<{ endpoints: Endpoint[]; total: number }> {
    const where = { teamId, ...NOT_DELETED };
    const [rows, total] = await Promise.all([
      this.prisma.webhookEndpoint.findMany({
        where,
        orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
        take: page.limit,
        skip: page.offset,
      }),
      this.prisma.webhookEndpoint.count({ where }),
    ]);
    return { endpoints: rows.map(toEndpoint), total };
  }

  /** Whoever sends to it right now loses its claim: what comes next goes by the new values. */
  async update(endpoint: Endpoint, tx: Tx): Promise<void> {
    const data = { ...toRow(endpoint), claimedUntil: null, claimToken: { increment: 1 } };
    await tx.webhookEndpoint.update({ where: { id: endpoint.id }, data });
  }

  async wakeSenders(tx: Tx): Promise<void> {
    await tx.$executeRaw`SELECT pg_notify('events', '')`;
  }
}

function toRow({ breaker, secrets, headers, eventTypes, ...columns }: Endpoint) {
  return {
    ...columns,
    ...breaker,
    headerNames: [...(headers?.names ?? [])],
    sealedHeaders: headers?.sealed ?? null,
    eventTypes: [...eventTypes],
    secrets: secrets.map((secret) => ({ ...secret })) as Prisma.InputJsonArray,
  };
}

function toEndpoint(row: EndpointRow): Endpoint {
  const { failuresInRow, nextProbeAt, failedProbes, failingSince, claimToken: _, claimedUntil: __, ...rest } = row;
  const { headerNames, sealedHeaders, ...columns } = rest;
  return {
    ...columns,
    headers: sealedHeaders === null ? null : { names: headerNames, sealed: sealedHeaders },
    kind: row.kind as EndpointKind,
    state: row.state as EndpointState,
    disabledReason: row.disabledReason as DisabledReason | null,
    eventTypes: NOTIFIED_TYPES.filter((type): type is NotifiedType => row.eventTypes.includes(type)),
    secrets: row.secrets as unknown as SealedSecret[],
    breaker: { failuresInRow, nextProbeAt, failedProbes, failingSince },
  };
}
